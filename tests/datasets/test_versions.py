"""Dataset versions: named by their content, complete or absent."""

from collections.abc import Callable
from dataclasses import replace as replace_dataset
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy
from msgspec.structs import replace

from datasets.coco import Annotation, Dataset, Image, Origin, Provenance, Tag, make_dataset, to_records
from datasets.errors import BadDataset
from datasets.files import MANIFEST, is_complete, write_json
from datasets.taxonomy import DEFAULT_TAXONOMY, Category, Taxonomy
from datasets.versions import (
    DIGEST_VERSION,
    read_beside,
    read_content,
    read_manifest,
    read_version,
    version_digest,
    write_content,
    write_version,
)

IMAGE = Image(
    "1" * 64,
    "images/11/one.jpg",
    640,
    480,
    family="car 1",
    split="train",
    source=Provenance(license="CC0-1.0"),
    tags=(Tag(3),),
)
DENT = Annotation(
    IMAGE.sha256, 2, (10.0, 20.0, 30.0, 40.0), attributes={"depth": "deep"}, origins=(Origin("cvat", "1"),)
)


@pytest.fixture
def dataset(taxonomy: Taxonomy) -> Dataset:
    return make_dataset(taxonomy, [IMAGE], [DENT])


def with_image(**change: object) -> Callable[[Dataset], Dataset]:
    return lambda d: make_dataset(d.taxonomy, [replace(IMAGE, **change)], d.annotations)


def with_annotation(**change: object) -> Callable[[Dataset], Dataset]:
    return lambda d: make_dataset(d.taxonomy, d.images, [replace(DENT, **change)])


CONTENT = {
    "an image": lambda d: make_dataset(d.taxonomy, [*d.images, replace(IMAGE, sha256="2" * 64)], d.annotations),
    "a family": with_image(family="car 2"),
    "a split": with_image(split="test"),
    "a licence": with_image(source=Provenance(license="CC BY 4.0")),
    "a tag": with_image(tags=(Tag(4),)),
    "an absent class": with_image(neg_category_ids=(1,)),
    "an annotation": lambda d: make_dataset(d.taxonomy, d.images, []),
    "the same annotation twice": lambda d: make_dataset(d.taxonomy, d.images, [DENT, DENT]),
    "a place": with_annotation(bbox_xywh=(10.01, 20.0, 30.0, 40.0)),
    "a class": with_annotation(category_id=1),
    "an attribute": with_annotation(attributes={"depth": "shallow"}),
    "who drew it": with_annotation(source="auto"),
    "the taxonomy": lambda d: replace_dataset(
        d, taxonomy=Taxonomy(categories=(*d.taxonomy.categories, Category(name="scratch")))
    ),
}
CIRCUMSTANCE = {
    "a time": with_image(source=Provenance(license="CC0-1.0", retrieved_at="2026-01-01T00:00:00+00:00")),
    "an address": with_image(
        source=Provenance(license="CC0-1.0", page_url="https://a.example", url="https://a.example/1")
    ),
    "an original's id": with_annotation(origins=(Origin("cvat", "2"),)),
    "a hundred-thousandth of a pixel": with_annotation(bbox_xywh=(10.00001, 20.0, 30.0, 40.0)),
    "a zero's sign": with_annotation(bbox_xywh=(10, 20, 30, 40)),
}


@pytest.mark.parametrize("change", CONTENT.values(), ids=CONTENT)
def test_other_content_has_another_digest(change: Callable[[Dataset], Dataset], dataset: Dataset) -> None:
    assert version_digest(change(dataset)) != version_digest(dataset)


@pytest.mark.parametrize("change", CIRCUMSTANCE.values(), ids=CIRCUMSTANCE)
def test_other_circumstances_have_the_same_digest(change: Callable[[Dataset], Dataset], dataset: Dataset) -> None:
    assert version_digest(change(dataset)) == version_digest(dataset)


def test_a_zero_has_no_sign(dataset: Dataset) -> None:
    zeros = [with_annotation(bbox_xywh=(zero, 0.0, 1.0, 1.0))(dataset) for zero in (0.0, -0.0, -0.001)]
    assert len({version_digest(one) for one in zeros}) == 1


def test_the_digest_is_the_same_on_every_machine(dataset: Dataset) -> None:
    digest = "21ead1f4e4e31359a9bed2ce242ef00a7cbb510a512ca497d75fcd56a3032036"
    assert (DIGEST_VERSION, version_digest(dataset)) == (1, digest), "another digest is another version of it"


@given(data=st.data())
def test_a_version_reads_back_as_it_was_written(
    any_dataset: SearchStrategy[Dataset], tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    dataset = data.draw(any_dataset)
    versions = tmp_path_factory.mktemp("versions")
    name = write_version(dataset, versions)
    assert read_version(versions, name, dataset.taxonomy) == dataset


def test_parents_are_in_the_manifest_and_not_in_the_digest(dataset: Dataset, tmp_path: Path) -> None:
    name = write_version(dataset, tmp_path, parents=["b", "a"])
    assert name == version_digest(dataset)
    assert read_manifest(tmp_path, name) == {
        "digest": name,
        "digest_version": DIGEST_VERSION,
        "parents": ["a", "b"],
        "images": 1,
        "annotations": 1,
        "categories": {"dent": 1},
        "tags": {"clean": 1},
        "licenses": {"CC0-1.0": 1},
        "sources": {},
    }


def test_writing_a_version_again_changes_nothing(dataset: Dataset, tmp_path: Path) -> None:
    name = write_version(dataset, tmp_path)
    before = (tmp_path / name / MANIFEST).stat().st_mtime_ns
    assert write_version(dataset, tmp_path, parents=["other"]) == name
    assert (tmp_path / name / MANIFEST).stat().st_mtime_ns == before


def test_half_a_version_does_not_count(dataset: Dataset, tmp_path: Path) -> None:
    name = write_version(dataset, tmp_path)
    (tmp_path / name / MANIFEST).unlink()
    with pytest.raises(BadDataset, match="is not a complete dataset version; make it again"):
        read_version(tmp_path, name, dataset.taxonomy)


def test_half_a_version_is_made_again(dataset: Dataset, tmp_path: Path) -> None:
    name = write_version(dataset, tmp_path)
    (tmp_path / name / MANIFEST).unlink()
    (tmp_path / name / "annotations.json").write_text("{")
    write_version(dataset, tmp_path)
    assert is_complete(tmp_path / name)
    assert read_version(tmp_path, name, dataset.taxonomy) == dataset


def test_a_version_that_was_changed_is_refused(dataset: Dataset, tmp_path: Path) -> None:
    name = write_version(dataset, tmp_path)
    other = write_version(with_image(family="car 2")(dataset), tmp_path)
    (tmp_path / other / "annotations.json").replace(tmp_path / name / "annotations.json")
    with pytest.raises(BadDataset, match="was changed after it was written; make the version again"):
        read_version(tmp_path, name, dataset.taxonomy)


def test_a_version_of_another_release_is_told_as_such(dataset: Dataset, tmp_path: Path) -> None:
    name = write_version(dataset, tmp_path)
    manifest = read_manifest(tmp_path, name)
    write_json(tmp_path / name / MANIFEST, {**manifest, "digest_version": DIGEST_VERSION + 1})
    for read in (lambda: read_version(tmp_path, name), lambda: read_content(tmp_path / name)):
        with pytest.raises(BadDataset, match="was written by another release of Carloop; import or merge it again"):
            read()


def test_a_version_from_before_digests_had_versions_is_read(dataset: Dataset, tmp_path: Path) -> None:
    name = write_version(dataset, tmp_path)
    manifest = read_manifest(tmp_path, name)
    del manifest["digest_version"]
    write_json(tmp_path / name / MANIFEST, manifest)
    assert read_version(tmp_path, name, dataset.taxonomy) == dataset
    assert read_content(tmp_path / name) == to_records(dataset)


@pytest.mark.parametrize("manifest", [[], None, {}, {"digest": 1}])
def test_a_broken_manifest_is_told(manifest: object, dataset: Dataset, tmp_path: Path) -> None:
    name = write_version(dataset, tmp_path)
    write_json(tmp_path / name / MANIFEST, manifest)
    with pytest.raises(BadDataset, match=r"manifest\.json is broken: .+; make the version again"):
        read_content(tmp_path / name)


def test_a_version_of_nothing_is_a_version(taxonomy: Taxonomy, tmp_path: Path) -> None:
    name = write_version(Dataset(taxonomy), tmp_path)
    assert read_version(tmp_path, name, taxonomy) == Dataset(taxonomy)


def test_an_unknown_version_is_told_in_one_sentence(taxonomy: Taxonomy, tmp_path: Path) -> None:
    write_json(tmp_path / "annotations.json", {})
    with pytest.raises(BadDataset, match="is not a complete dataset version"):
        read_version(tmp_path, "0" * 64, taxonomy)


def test_files_beside_the_annotations_count_for_the_digest_and_are_checked(tmp_path: Path) -> None:
    content = to_records(make_dataset(DEFAULT_TAXONOMY, [], []))
    plain = write_content(content, tmp_path)
    one, other = (write_content(content, tmp_path, beside={"snapshot.json": held}) for held in (b"{}", b"[]"))
    assert len({plain, one, other}) == 3
    assert read_beside(tmp_path / one, "snapshot.json") == b"{}"
    assert read_beside(tmp_path / plain, "snapshot.json") is None
    assert read_content(tmp_path / one) == read_content(tmp_path / plain)
    assert read_version(tmp_path, one).images == ()
    (tmp_path / one / "snapshot.json").write_bytes(b"changed")
    with pytest.raises(BadDataset, match=r"snapshot.json was changed"):
        read_beside(tmp_path / one, "snapshot.json")
