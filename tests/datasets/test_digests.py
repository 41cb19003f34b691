"""The digest of a dataset: decided by what is in it, not by order, numbers, spelling or what nobody can see."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy
from msgspec import Raw
from msgspec.structs import replace

from datasets import digests
from datasets.coco import Dataset, make_dataset, to_records
from datasets.digests import columns_of, content_digest, hundredths, sort_by, sort_keys, starts_of_runs
from datasets.records import AnnotationRecord, CocoFile, Copy, ImageRecord, Origin, Provenance, Tag, category_records
from datasets.taxonomy import Taxonomy

POLYGON = "[[1,2,3,4,5,6]]"
MASK = '{"size":[2,2],"counts":"04"}'


def drawn(bbox: str = "[1,2,3,4]", **fields: Any) -> AnnotationRecord:
    if "segmentation" in fields:
        fields["segmentation"] = Raw(fields["segmentation"].encode())
    return AnnotationRecord(**{"id": 1, "image_id": 1, "category_id": 1, "bbox": Raw(bbox.encode()), **fields})


def picture(letter: str = "a", **fields: Any) -> ImageRecord:
    image = {"id": ord(letter) - 96, "file_name": f"{letter}.jpg", "width": 64, "height": 48, "family": "car"}
    return ImageRecord(**{"sha256": letter * 64, **image, **fields})


@pytest.fixture
def digest(taxonomy: Taxonomy) -> Callable[..., str]:
    """The digest of these annotations on an image `a` unless others are given."""

    def tell(*annotations: AnnotationRecord, images: Sequence[ImageRecord] | None = None) -> str:
        return content_digest(CocoFile(category_records(taxonomy), [*(images or [picture()])], [*annotations]))

    return tell


@given(data=st.data())
def test_order_and_numbers_of_records_change_nothing(any_dataset: SearchStrategy[Dataset], data: st.DataObject) -> None:
    content = to_records(data.draw(any_dataset))
    expected = content_digest(content)
    number_of = {image.id: number for number, image in enumerate(data.draw(st.permutations(content.images)), start=100)}
    content.images = data.draw(st.permutations([replace(image, id=number_of[image.id]) for image in content.images]))
    content.annotations = data.draw(st.permutations(content.annotations))
    for number, annotation in enumerate(content.annotations, start=7):
        annotation.id, annotation.image_id = number, number_of[annotation.image_id]
    assert content_digest(content) == expected


@given(data=st.data())
def test_columns_that_are_known_already_give_the_same_digest(
    any_dataset: SearchStrategy[Dataset], data: st.DataObject
) -> None:
    content = to_records(data.draw(any_dataset))
    assert content_digest(content, columns_of(content)) == content_digest(content)


@given(data=st.data(), portion=st.integers(1, 3))
def test_the_size_of_portions_changes_nothing_but_is_part_of_the_format(
    any_dataset: SearchStrategy[Dataset], data: st.DataObject, portion: int
) -> None:
    whole = data.draw(any_dataset)
    part = make_dataset(whole.taxonomy, whole.images, whole.annotations[:portion])
    expected = content_digest(to_records(part))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(digests, "_CHUNK", portion)
        assert content_digest(to_records(part)) == expected


def test_equal_annotations_count_as_often_as_they_are_there(digest: Callable[..., str]) -> None:
    assert len({digest(*[drawn()] * times) for times in range(4)}) == 4


@pytest.mark.parametrize("bbox", ["[1.0,2,3,4]", "[1.004,1.996,3,4]", "[ 1, 2.00, 3e0, 4]", "[10e-1,2,3,4]"])
def test_less_than_a_hundredth_of_a_pixel_and_spelling_do_not_count(digest: Callable[..., str], bbox: str) -> None:
    assert digest(drawn(bbox)) == digest(drawn())


def test_a_hundredth_of_a_pixel_counts(digest: Callable[..., str]) -> None:
    boxes = ["[1,2,3,4]", "[1.01,2,3,4]", "[1,2.01,3,4]", "[1,2,3.01,4]", "[1,2,3,4.01]"]
    assert len({digest(drawn(bbox)) for bbox in boxes}) == len(boxes)


def test_a_zero_has_no_sign(digest: Callable[..., str]) -> None:
    assert digest(drawn("[-0.0,-0.001,3,4]")) == digest(drawn("[0,0,3,4]"))
    assert digest(drawn(segmentation="[[-0.0,0,1,1,2,2]]")) == digest(drawn(segmentation="[[0,0,1,1,2,2]]"))


def test_polygons_count_to_a_hundredth_too(digest: Callable[..., str]) -> None:
    near, far = "[[1.004,2,3,4,5,6.0]]", "[[1.01,2,3,4,5,6]]"
    assert digest(drawn(segmentation=near)) == digest(drawn(segmentation=POLYGON))
    assert digest(drawn(segmentation=far)) != digest(drawn(segmentation=POLYGON))


def test_how_numbers_are_shared_among_rings_counts(digest: Callable[..., str]) -> None:
    outlines = [
        "[]",
        "[[1,2,3,4,5,6,7,8]]",
        "[[1,2,3,4],[5,6,7,8]]",
        "[[1,2],[3,4,5,6,7,8]]",
        "[[1,2,3,4,5,6],[7,8]]",
        "[[5,6,7,8],[1,2,3,4]]",
        "[[1,2],[3,4],[5,6],[7,8]]",
    ]
    assert len({digest(drawn(segmentation=outline)) for outline in outlines}) == len(outlines)


def test_how_numbers_are_shared_among_annotations_counts(digest: Callable[..., str]) -> None:
    first = [drawn(segmentation="[[1,2,3,4]]"), drawn("[9,9,9,9]", segmentation="[[5,6,7,8]]")]
    second = [drawn(segmentation="[[1,2]]"), drawn("[9,9,9,9]", segmentation="[[3,4,5,6,7,8]]")]
    assert digest(*first) != digest(*second)


def test_a_mask_counts_whatever_the_order_of_its_keys(digest: Callable[..., str]) -> None:
    turned = '{"counts": "04", "size": [2, 2]}'
    other_runs, other_size = '{"size":[2,2],"counts":"13"}', '{"size":[1,4],"counts":"04"}'
    assert digest(drawn(segmentation=turned)) == digest(drawn(segmentation=MASK))
    assert len({digest(drawn(segmentation=one)) for one in (MASK, other_runs, other_size, "[]")}) == 4


def test_a_mask_belongs_to_its_annotation(digest: Callable[..., str]) -> None:
    first = digest(drawn(segmentation=MASK), drawn("[9,9,9,9]"))
    assert first != digest(drawn(), drawn("[9,9,9,9]", segmentation=MASK))


CHANGES = (
    {"category_id": 2},
    {"iscrowd": 1},
    {"source": "auto"},
    {"attributes": {"depth": "5 mm"}},
    {"track_id": 0},
    {"track_id": 1},
    {"segmentation": POLYGON},
    {"segmentation": MASK},
)


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: next(iter(change)))
def test_every_canonical_field_of_an_annotation_counts(digest: Callable[..., str], change: dict[str, Any]) -> None:
    others = [other for other in CHANGES if other != change]
    assert digest(drawn(**change)) not in {digest(drawn()), *(digest(drawn(**other)) for other in others)}


def test_a_score_counts(digest: Callable[..., str]) -> None:
    assert digest(drawn(score=0.25)) != digest(drawn(score=0.5))


@pytest.mark.parametrize("change", [{"area": 5.0}, {"origins": (Origin("cvat", "1"),)}, {"id": 8}], ids=str)
def test_what_is_not_canonical_of_an_annotation_does_not_count(
    digest: Callable[..., str], change: dict[str, Any]
) -> None:
    assert digest(drawn(**change)) == digest(drawn())


@pytest.mark.parametrize(
    "change",
    [
        {"sha256": "b" * 64},
        {"family": "van"},
        {"split": "test"},
        {"source": Provenance(license="CC0-1.0")},
        {"tags": (Tag(3),)},
        {"tags": (Tag(3, {"sure": "no"}),)},
        {"neg_category_ids": (2,)},
        {"not_exhaustive_category_ids": (2,)},
        {"deleted": True},
        {"derived_from": "c" * 64},
        {"copies": (Copy("d" * 64, "d.jpg", 32, 24),)},
    ],
    ids=str,
)
def test_every_canonical_field_of_an_image_counts(digest: Callable[..., str], change: dict[str, Any]) -> None:
    assert digest(images=[picture(**change)]) != digest(images=[picture()])


@pytest.mark.parametrize(
    "change",
    [{"id": 9}, {"file_name": "other.jpg"}, {"source": Provenance(url="https://a.example")}],
    ids=str,
)
def test_addresses_and_names_of_files_do_not_count(digest: Callable[..., str], change: dict[str, Any]) -> None:
    assert digest(images=[picture(**change)]) == digest(images=[picture()])


def test_the_order_within_an_image_does_not_count(digest: Callable[..., str]) -> None:
    copies = (Copy("d" * 64, "d.jpg", 32, 24), Copy("e" * 64, "e.jpg", 32, 24))
    one = picture(tags=(Tag(3), Tag(4)), neg_category_ids=(1, 2), not_exhaustive_category_ids=(1, 2), copies=copies)
    other = picture(
        tags=(Tag(4), Tag(3)), neg_category_ids=(2, 1), not_exhaustive_category_ids=(2, 1), copies=copies[::-1]
    )
    assert digest(images=[one]) == digest(images=[other])


def test_an_annotation_belongs_to_its_image(digest: Callable[..., str]) -> None:
    images = [picture("a"), picture("b")]
    assert digest(drawn(image_id=1), images=images) != digest(drawn(image_id=2), images=images)


def test_names_kinds_and_order_of_classes_count(taxonomy: Taxonomy) -> None:
    records = category_records(taxonomy)
    changed = [
        records,
        [replace(records[0], name="door"), *records[1:]],
        [replace(records[0], kind="tag"), *records[1:]],
        records[::-1],
        records[:-1],
    ]
    assert len({content_digest(CocoFile(categories, [picture()], [])) for categories in changed}) == len(changed)


@pytest.mark.parametrize("bbox", ["[1,2,3]", "[1,2,3,4,5]", "null", '"box"', "[1,2,3,null]", "[[1,2,3,4]]", "{}"])
def test_a_box_that_is_not_four_numbers_is_refused(digest: Callable[..., str], bbox: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        digest(drawn(), drawn(bbox))


@pytest.mark.parametrize("segmentation", ["null", "5", "[5]", "[[]]", "[[1,2],3]", '[["1"]]', "[[[1,2]]]"])
def test_an_outline_that_is_no_polygons_is_refused(digest: Callable[..., str], segmentation: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        digest(drawn(), drawn(segmentation=segmentation))


@given(x=st.floats(-1e7, 1e7), y=st.floats(-1e7, 1e7), other=st.tuples(st.floats(-1e7, 1e7), st.floats(-1e7, 1e7)))
def test_places_far_away_and_below_zero_do_not_depend_on_order(x: float, y: float, other: tuple[float, float]) -> None:
    annotations = [drawn(f"[{x},{y},3,4]"), drawn(f"[{other[0]},{other[1]},3,4]")]
    first, second = (
        content_digest(CocoFile([], [picture()], [*ordered])) for ordered in (annotations, annotations[::-1])
    )
    assert first == second


@pytest.mark.parametrize(
    "annotations",
    [
        (drawn("[0,42949672.96,3,4]"), drawn("[0.01,0,3,4]")),
        (drawn(track_id=2**32), drawn(track_id=0, iscrowd=1)),
    ],
    ids=["place", "track"],
)
def test_numbers_beyond_31_bits_do_not_depend_on_order(
    digest: Callable[..., str], annotations: tuple[AnnotationRecord, ...]
) -> None:
    assert digest(*annotations) == digest(*annotations[::-1])


COLUMN = st.sampled_from([-(2**63), -1, 0, 1, 2, 2**31, 2**62, 2**63 - 1]) | st.integers(-3, 3)


@given(rows=st.lists(st.tuples(COLUMN, COLUMN, st.integers(0, 2), COLUMN), max_size=12))
def test_columns_sort_as_their_rows_do_and_equal_rows_stay_in_order(rows: list[tuple[int, ...]]) -> None:
    columns = np.array(rows, np.int64).reshape(-1, 4)
    order, keys = sort_by(sort_keys(columns.T))
    assert order.tolist() == sorted(range(len(rows)), key=rows.__getitem__)
    ordered = sorted(rows)
    assert starts_of_runs(keys).tolist() == [n == 0 or ordered[n] != ordered[n - 1] for n in range(len(rows))]


def test_columns_of_small_numbers_share_a_key() -> None:
    columns = [np.arange(-5, 5), np.arange(10) % 3, np.zeros(10, np.int64), np.arange(10) << 40]
    assert len(sort_keys(columns)) == 1
    assert len(sort_keys([*columns, *columns])) == 2


def test_a_coordinate_too_large_to_count_is_refused(digest: Callable[..., str]) -> None:
    with pytest.raises(ValueError, match=r"."):
        digest(drawn("[1e17,2,3,4]"))


def test_hundredths_round_to_the_nearest_and_halves_to_even() -> None:
    assert hundredths(np.array([1.0, 0.005, 0.015, -0.006, 12345678.91])).tolist() == [100, 0, 2, -1, 1234567891]


def test_the_digest_is_the_same_on_every_machine(digest: Callable[..., str]) -> None:
    annotations = [drawn(), drawn(segmentation=POLYGON, attributes={"b": "1", "a": "2"}), drawn(segmentation=MASK)]
    images = [picture("b", tags=(Tag(4),)), picture("a", split="train")]
    assert digest(*annotations, images=images)[:16] == "751e09b80a2c54d0"
