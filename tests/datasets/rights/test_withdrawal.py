"""Withdrawing pictures from all dataset versions, and remembering it."""

import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest
from msgspec.structs import replace

from datasets.coco import Annotation, Dataset, Provenance, make_dataset, to_records
from datasets.errors import BadDataset
from datasets.files import MANIFEST, read_json
from datasets.rights import (
    Claim,
    Holding,
    Takedowns,
    Withdrawal,
    entry,
    find_in_versions,
    is_taken_down,
    read_takedowns,
    versions_holding,
    write_replacements,
    write_takedown,
)
from datasets.snapshot import SNAPSHOT, Frame, TaskSnapshot, decode_snapshot, encode_snapshot, make_snapshot
from datasets.taxonomy import Category, Taxonomy
from datasets.versions import read_beside, read_manifest, read_version, write_content, write_version

A, B, C, D, E = (letter * 64 for letter in "abcde")
NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


@pytest.fixture
def versions(tmp_path: Path) -> Path:
    return tmp_path / "versions"


@pytest.fixture
def ledger(tmp_path: Path) -> Path:
    return tmp_path / "state" / "takedowns.json"


@pytest.fixture
def old(dataset: Dataset, versions: Path) -> dict[str, str]:
    """Three versions, of all images, of a, b and e, and of c alone, by name."""
    parts = {"all": dataset, "some": dataset.only([A, B, E]), "one": dataset.only([C])}
    return {name: write_version(part, versions) for name, part in parts.items()}


def withdraw(versions: Path, ledger: Path, claim: Claim, **options: str) -> Withdrawal:
    return write_replacements(versions, claim, ledger=ledger, now=NOW, **options)


def test_versions_are_found_by_image_copy_and_original(dataset: Dataset, versions: Path, old: dict[str, str]) -> None:
    both = sorted([Holding(old["all"], (A, B)), Holding(old["some"], (A, B))], key=lambda holding: holding.version)
    assert versions_holding(versions, [A]) == both
    assert versions_holding(versions, [D]) == both
    assert versions_holding(versions, ["f" * 64]) == []


def test_half_a_version_holds_nothing(versions: Path, old: dict[str, str]) -> None:
    (versions / old["one"] / MANIFEST).unlink()
    assert [holding.version for holding in versions_holding(versions, [C])] == [old["all"]]


def test_a_version_that_is_still_being_written_is_none(versions: Path, old: dict[str, str]) -> None:
    (versions / old["one"]).rename(versions / f".{old['one']}.part")
    assert [holding.version for holding in versions_holding(versions, [C])] == [old["all"]]


def test_a_broken_version_stops_everything(versions: Path, ledger: Path, old: dict[str, str]) -> None:
    (versions / old["one"] / "annotations.json").write_text("{")
    before = sorted(versions.iterdir())
    with pytest.raises(BadDataset, match=r"annotations\.json is not valid JSON"):
        withdraw(versions, ledger, Claim(sha256s=(A,)))
    assert sorted(versions.iterdir()) == before
    assert not ledger.exists()


def test_a_missing_folder_is_told(tmp_path: Path) -> None:
    with pytest.raises(BadDataset, match="is not a folder of dataset versions"):
        versions_holding(tmp_path / "none", [A])


def test_versions_that_held_the_picture_are_replaced(
    taxonomy: Taxonomy, versions: Path, ledger: Path, old: dict[str, str]
) -> None:
    done = withdraw(versions, ledger, Claim(sha256s=(A[:8],)), reason="asked by its author")
    assert {r.old: r.images for r in done.replacements} == {old["all"]: 2, old["some"]: 2}
    new = {replacement.old: replacement.new for replacement in done.replacements}
    assert set(read_version(versions, new[old["all"]], taxonomy).by_sha256) == {C, E}
    assert set(read_version(versions, new[old["some"]], taxonomy).by_sha256) == {E}
    assert read_manifest(versions, new[old["all"]])["parents"] == [old["all"]]
    assert read_version(versions, old["all"], taxonomy).by_sha256.keys() == {A, B, C, E}


def test_what_was_replaced_by_what_is_remembered(versions: Path, ledger: Path, old: dict[str, str]) -> None:
    done = withdraw(versions, ledger, Claim(sha256s=(A,)), reason="asked")
    (told,) = read_takedowns(ledger).entries
    assert (told.at, told.reason) == ("2026-01-02T03:04:05+00:00", "asked")
    assert told.versions == {replacement.old: replacement.new for replacement in done.replacements}


def test_running_it_again_changes_nothing(versions: Path, ledger: Path, old: dict[str, str]) -> None:
    first = withdraw(versions, ledger, Claim(authors=("Ann Lee",)))
    before = (sorted(versions.iterdir()), ledger.read_bytes())
    again = withdraw(versions, ledger, Claim(authors=("Ann Lee",)))
    assert (sorted(versions.iterdir()), ledger.read_bytes()) == before
    assert again == first


def test_a_second_takedown_does_not_bring_back_the_first(
    taxonomy: Taxonomy, versions: Path, ledger: Path, old: dict[str, str]
) -> None:
    withdraw(versions, ledger, Claim(sha256s=(A,)))
    done = withdraw(versions, ledger, Claim(sha256s=(E,)))
    for replacement in done.replacements:
        assert {A, B, E}.isdisjoint(read_version(versions, replacement.new, taxonomy).by_sha256)


def test_what_one_version_knows_counts_in_all(dataset: Dataset, versions: Path, ledger: Path) -> None:
    named = replace(dataset.by_sha256[C], source=Provenance(author="Cy"))
    write_version(dataset.only([C]), versions)
    write_version(make_dataset(dataset.taxonomy, [named, dataset.by_sha256[E]], []), versions)
    assert len(withdraw(versions, ledger, Claim(authors=("Cy",))).replacements) == 2


def test_a_source_is_found_by_originals_where_there_is_no_view(versions: Path, old: dict[str, str]) -> None:
    _, removed, unmatched = find_in_versions(versions, Claim(sources=("cvat", "nobody")))
    assert {image.sha256 for image in removed} == {A, B, E}
    assert unmatched == ("source nobody",)


def test_versions_of_other_classes_are_replaced_too(dataset: Dataset, versions: Path, ledger: Path) -> None:
    other = Taxonomy(categories=(Category(name="scratch"), Category(name="rust")))
    image = dataset.by_sha256[E]
    name = write_version(make_dataset(other, [image], [Annotation(E, 1, (0.0, 0.0, 1.0, 1.0))]), versions)
    (replacement,) = withdraw(versions, ledger, Claim(sha256s=(E,))).replacements
    assert replacement.old == name
    assert read_version(versions, replacement.new, other) == Dataset(other)


def test_nothing_found_in_any_version_is_an_error(versions: Path, ledger: Path, old: dict[str, str]) -> None:
    with pytest.raises(BadDataset, match="holds an image of author Nobody or source none"):
        withdraw(versions, ledger, Claim(authors=("Nobody",), sources=("none",)))
    assert not ledger.exists()


def test_a_taken_down_picture_is_known_by_hash_copy_and_address(
    versions: Path, ledger: Path, old: dict[str, str]
) -> None:
    withdraw(versions, ledger, Claim(sha256s=(A,)))
    takedowns = read_takedowns(ledger)
    for sha256 in (A, B, D):
        assert is_taken_down(takedowns, sha256=sha256) is takedowns.entries[0]
    assert is_taken_down(takedowns, sha256="f" * 64, urls=[None, "http://a.example/1.jpg"])
    assert is_taken_down(takedowns, sha256=E, urls=["https://a.example/zip"]) is None
    assert is_taken_down(takedowns, urls=["https://b.example/cars"]) is None  # the page may show others


def test_a_claimed_page_is_remembered(versions: Path, ledger: Path, old: dict[str, str]) -> None:
    withdraw(versions, ledger, Claim(urls=("https://b.example/cars",)))
    assert is_taken_down(read_takedowns(ledger), urls=["https://b.example/cars/"])


def test_an_address_that_kept_images_share_is_no_mark(dataset: Dataset) -> None:
    images = [replace(image, source=Provenance(url="https://a.example/all.zip"), views=()) for image in dataset.images]
    told = entry(Claim(sha256s=(C,)), images[2:3], images[:2], now=NOW)
    assert told.images[0].urls == ()


def test_the_ledger_grows_and_keeps_what_was_there(dataset: Dataset, ledger: Path) -> None:
    entries = [entry(Claim(sha256s=(image.sha256,)), [image], [], now=NOW) for image in dataset.images]
    assert [write_takedown(ledger, one) for one in (*entries, entries[0])] == [True] * 4 + [False]
    assert read_takedowns(ledger).entries == tuple(entries)
    assert len(read_json(ledger)["takedowns"]) == 4


def test_two_at_once_both_get_in(dataset: Dataset, ledger: Path) -> None:
    entries = [entry(Claim(sha256s=(f"{n:064x}",)), [dataset.images[0]], [], now=NOW) for n in range(12)]
    threads = [threading.Thread(target=write_takedown, args=(ledger, one)) for one in entries]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(one.claim.sha256s for one in read_takedowns(ledger).entries) == [one.claim.sha256s for one in entries]


def test_no_ledger_is_an_empty_one(ledger: Path) -> None:
    assert read_takedowns(ledger) == Takedowns()
    assert is_taken_down(read_takedowns(ledger), sha256=A, urls=["https://a.example"]) is None


@pytest.mark.parametrize("content", ["[]", '{"takedowns": [{"at": 1}]}'])
def test_a_broken_ledger_is_told_and_kept(content: str, dataset: Dataset, ledger: Path) -> None:
    ledger.parent.mkdir()
    ledger.write_text(content)
    with pytest.raises(BadDataset, match=r"takedowns.json is no ledger of takedowns: .* restore it from a backup"):
        write_takedown(ledger, entry(Claim(), [], [], now=NOW))
    assert ledger.read_text() == content


def test_what_lies_beside_a_version_forgets_the_picture_too(dataset: Dataset, versions: Path, ledger: Path) -> None:
    frames = tuple(Frame(number, f"{sha256[:4]}.jpg", sha256, 640, 480) for number, sha256 in enumerate((A, E)))
    held = encode_snapshot(make_snapshot([], [TaskSnapshot("task", "train", frames)]))
    write_content(to_records(dataset), versions, beside={SNAPSHOT: held})
    (replaced,) = withdraw(versions, ledger, Claim(sha256s=(A,))).replacements
    rest = read_beside(versions / replaced.new, SNAPSHOT)
    assert rest is not None
    assert [frame.sha256 for task in decode_snapshot(rest, told_in="").tasks for frame in task.frames] == [E]
