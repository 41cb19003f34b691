"""Takedowns: the picture goes with all that holds it, and nothing else does."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from datasets.coco import Annotation, Copy, Dataset, Image, Provenance, View, from_records, make_dataset, to_records
from datasets.errors import BadDataset
from datasets.rights import Claim, Withdrawal, print_withdrawal, write_replacements
from datasets.rights.takedown import hashes, named_images, records_without, spelt_url, with_kin, with_whole_hashes
from datasets.taxonomy import Taxonomy
from datasets.versions import read_version, write_version

A, B, C, D, E = (letter * 64 for letter in "abcde")
NOW = datetime(2026, 1, 2, tzinfo=UTC)
WAYS: Mapping[str, tuple[dict[str, list[str]], Sequence[str]]] = {
    "a file's address": ({"urls": ["https://a.example/1.jpg"]}, [A, B]),
    "a page's address, otherwise written": ({"urls": ["http://B.example:80/cars#x"]}, [A, B]),
    "an author, otherwise written": ({"authors": ["ANN LEE"]}, [A, B, E]),
    "one of its sources": ({"sources": ["roboflow"]}, [A, B, C]),
    "the source of an original where there is no view": ({"sources": ["cvat"]}, [A, B, E]),
    "its hash": ({"sha256s": [C]}, [C]),
    "the beginning of its hash": ({"sha256s": [" CCCCCCCC"]}, [C]),
    "the hash of its copy": ({"sha256s": [D]}, [A, B]),
    "two ways at once": ({"sha256s": [E], "authors": ["bo"]}, [C, E]),
}


def take_down(dataset: Dataset, folder: Path, **claim: Sequence[str]) -> tuple[Withdrawal, Dataset]:
    """What a takedown did to a version of the dataset, and the version that is left."""
    name, parts = write_version(dataset, folder / "versions"), {kind: tuple(names) for kind, names in claim.items()}
    done = write_replacements(folder / "versions", Claim(**parts), ledger=folder / "takedowns.json", now=NOW)
    (new,) = (replacement.new for replacement in done.replacements if replacement.old == name)
    return done, read_version(folder / "versions", new)


@pytest.mark.parametrize(("claim", "gone"), WAYS.values(), ids=WAYS)
def test_images_go_by(claim: dict[str, list[str]], gone: Sequence[str], dataset: Dataset, tmp_path: Path) -> None:
    done, rest = take_down(dataset, tmp_path, **claim)
    assert [image.sha256 for image in done.removed] == gone
    assert set(rest.by_sha256) == {A, B, C, E} - set(gone)
    assert {annotation.sha256 for annotation in rest.annotations} == set(rest.by_sha256)


def test_the_original_of_a_derived_image_stays(dataset: Dataset, tmp_path: Path) -> None:
    assert [image.sha256 for image in take_down(dataset, tmp_path, sha256s=[B])[0].removed] == [B]


def test_a_near_duplicate_stays_and_is_told(dataset: Dataset, tmp_path: Path) -> None:
    done, rest = take_down(dataset, tmp_path, sha256s=[A])
    assert [image.sha256 for image in done.near] == [C]
    assert rest.by_sha256[C].near == ()
    assert take_down(dataset, tmp_path, sha256s=[C])[0].near == (), "A was taken down before"


def test_what_names_nothing_is_told(dataset: Dataset, tmp_path: Path) -> None:
    done, _ = take_down(dataset, tmp_path, sha256s=[C], authors=["Nobody"], urls=["https://c.example"])
    assert done.unmatched == ("URL https://c.example", "author Nobody")


@pytest.mark.parametrize("prefix", ["abc", "zzzzzzzz", "", "a" * 65, "../aaaaa"])
def test_what_is_no_hash_is_an_error(prefix: str, dataset: Dataset) -> None:
    with pytest.raises(BadDataset, match="is no image hash; give at least its first 8 hex digits"):
        with_whole_hashes(Claim(sha256s=(prefix,)), dataset.images)


def test_a_prefix_of_two_hashes_is_an_error() -> None:
    images = [Image("a" * 63 + last, "a.jpg", 1, 1, "car") for last in "12"]
    with pytest.raises(BadDataset, match=r"begins 2 image hashes, .* give more digits"):
        with_whole_hashes(Claim(sha256s=("aaaaaaaaa",)), images)


@pytest.mark.parametrize(
    "url", ["https://a.example:8443/x?id=1", "http://[::1", "x", "a.example:8443/x", "https://a.example:99999/", ""]
)
def test_a_url_is_spelt_once_and_for_all(url: str) -> None:
    assert spelt_url(spelt_url(url)) == spelt_url(url)


def test_what_tells_pages_apart_is_kept() -> None:
    assert spelt_url("https://me@A.example:8443/X/?id=1#top") == "a.example:8443/X?id=1"
    assert spelt_url("A.example:8443/X/?id=1") == "a.example:8443/X?id=1"


def _images() -> SearchStrategy[list[Image]]:
    letters = st.sampled_from("0123456789")

    def make(letter: str, copies: list[str], derived: str | None, near: list[str], **said: Any) -> Image:
        return Image(
            letter * 64,
            f"{letter}.jpg",
            1,
            1,
            "car",
            source=Provenance(author=said["author"]),
            views=tuple(View(name, "x.jpg", "car") for name in said["sources"]),
            copies=tuple(Copy(copy * 64, "c.jpg", 1, 1) for copy in copies),
            derived_from=derived and derived * 64,
            near=tuple(other * 64 for other in near),
        )

    return st.lists(
        st.builds(
            make,
            letters,
            st.lists(letters, max_size=2),
            st.none() | letters,
            st.lists(letters, max_size=2),
            author=st.sampled_from([None, "Ann", "Bo"]),
            sources=st.lists(st.sampled_from(["one", "two"]), max_size=2),
        ),
        min_size=1,
        max_size=6,
        unique_by=lambda image: image.sha256,
    )


def without(dataset: Dataset, claim: Claim) -> tuple[set[str], Dataset]:
    """All hashes of what the claim takes, and the rest."""
    went = with_kin(dataset.images, named_images(dataset.images, claim, {})[0])
    gone = {sha256 for image in dataset.images if image.sha256 in went for sha256 in hashes(image)}
    return gone, from_records(records_without(to_records(dataset), gone), dataset.taxonomy)


@given(images=_images(), letter=st.sampled_from("0123456789"))
def test_nothing_that_stays_names_a_removed_picture(images: list[Image], letter: str, taxonomy: Taxonomy) -> None:
    dataset = make_dataset(taxonomy, images, [Annotation(i.sha256, 2, (0.0, 0.0, 1.0, 1.0)) for i in images])
    claim = Claim(authors=("Ann",), sha256s=(letter * 64,))
    gone, rest = without(dataset, claim)
    for image in rest.images:
        assert gone.isdisjoint({*hashes(image), image.derived_from, *image.near})
    assert {annotation.sha256 for annotation in rest.annotations} == rest.by_sha256.keys()
    assert rest.by_sha256.keys() == dataset.by_sha256.keys() - gone
    assert without(rest, claim) == (set(), rest)


@given(images=_images())
def test_one_after_another_is_both_at_once(images: list[Image], taxonomy: Taxonomy) -> None:
    dataset, ann, two = make_dataset(taxonomy, images, []), Claim(authors=("Ann",)), Claim(sources=("two",))
    _, both = without(dataset, Claim(authors=("Ann",), sources=("two",)))
    assert without(without(dataset, ann)[1], two)[1] == both
    assert without(without(dataset, two)[1], ann)[1] == both


def test_a_takedown_is_printed(dataset: Dataset, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    done, _ = take_down(dataset, tmp_path, sha256s=[A], authors=["[red]Nobody\x1b[2J"])
    print_withdrawal(done)
    told = capsys.readouterr().out
    assert done.replacements[0].new[:16] in told
    assert "Nothing has author [red]Nobody�[2J." in told
    assert "cccccccccccccccc stays but shows the same photograph" in told
