"""A file to merge: which image each annotation is of."""

import pytest
from msgspec import Raw

from datasets.merging.sources import Source
from datasets.records import AnnotationRecord, CocoFile, ImageRecord


def source(image_ids: list[int], of: list[int]) -> Source:
    images = [
        ImageRecord(id=number, sha256=f"{number:064}", file_name="a.jpg", width=4, height=4, family="a")
        for number in image_ids
    ]
    annotations = [AnnotationRecord(1, number, 1, Raw(b"[0,0,1,1]")) for number in of]
    return Source("file", CocoFile([], images, annotations))


def test_each_annotation_has_its_image_whatever_the_numbers_and_their_order() -> None:
    assert source([7, 2**40, 3], of=[3, 7, 7, 2**40]).images.tolist() == [2, 0, 0, 1]
    assert source([], of=[]).images.tolist() == []


def test_an_annotation_of_no_image_is_refused() -> None:
    with pytest.raises(KeyError, match="8"):
        _ = source([7], of=[7, 8]).images
