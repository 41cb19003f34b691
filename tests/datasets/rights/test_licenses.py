"""Licences as sources state them: unknown is unknown, and disagreement is told."""

import msgspec
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy
from msgspec.structs import replace

from datasets.coco import Dataset, Image, Provenance, View, make_dataset
from datasets.rights import LicenseRow, licenses, licenses_to_json
from datasets.taxonomy import Taxonomy


def test_each_source_states_a_licence_of_its_own(dataset: Dataset) -> None:
    assert licenses(dataset).rows == (
        LicenseRow("CC BY 4.0", "Ann Lee", "roboflow", 1),
        LicenseRow("CC BY 4.0", "Bo", "roboflow", 1),
        LicenseRow("CC-BY-4.0", None, None, 1),
        LicenseRow("CC0-1.0", None, "cvat", 1),
        LicenseRow(None, "ann  lee", None, 1),
    )


def test_an_image_without_a_licence_is_unknown(dataset: Dataset) -> None:
    assert (licenses(dataset).images, licenses(dataset).unknown) == (4, 1)


def test_sources_that_state_different_licences_are_told(dataset: Dataset) -> None:
    (found,) = licenses(dataset).disagreements
    assert found.sha256 == "a" * 64
    assert found.licenses == {"cvat": "CC0-1.0", "roboflow": "CC BY 4.0"}


def test_another_spelling_is_no_disagreement(taxonomy: Taxonomy) -> None:
    views = tuple(
        View(name, "a.jpg", "car", provenance=Provenance(license=license))
        for name, license in (("one", "CC BY 4.0"), ("two", "CC-BY-4.0"), ("three", "cc_by 4.0"))
    )
    image = Image("a" * 64, "a.jpg", 1, 1, "car", views=views)
    assert licenses(make_dataset(taxonomy, [image], [])).disagreements == ()


def test_what_the_image_says_counts_where_no_source_says_anything(taxonomy: Taxonomy) -> None:
    image = Image("a" * 64, "a.jpg", 1, 1, "car", source=Provenance(license="MIT"), views=(View("cvat", "a", "car"),))
    found = licenses(make_dataset(taxonomy, [image], []))
    assert (found.rows, found.unknown) == ((LicenseRow("MIT", None, "cvat", 1),), 0)


def test_deleted_images_do_not_count(dataset: Dataset) -> None:
    deleted = make_dataset(dataset.taxonomy, [replace(image, deleted=True) for image in dataset.images], [])
    assert licenses_to_json(licenses(deleted)) == {"rows": (), "images": 0, "unknown": 0, "disagreements": ()}


@given(data=st.data())
def test_images_of_one_view_add_up(any_dataset: SearchStrategy[Dataset], data: st.DataObject) -> None:
    found = licenses(data.draw(any_dataset))
    assert sum(row.images for row in found.rows) == found.images
    assert sum(row.images for row in found.rows if row.license is None) == found.unknown
    assert msgspec.json.encode(licenses_to_json(found))
