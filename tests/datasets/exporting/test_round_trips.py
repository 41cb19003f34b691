"""Exports read back by other hands: what a format holds comes back, within the tolerance that it states."""

import csv
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy
from msgspec.structs import replace
from PIL import Image as PillowImage
from pycocotools.coco import COCO

from datasets.coco import Annotation, Dataset, Image, Polygons, Rle, read_coco
from datasets.exporting.coco import renamed
from datasets.exporting.export import export_dataset
from datasets.exporting.geometry import mask_of, mask_of_polygons, upright_box
from datasets.exporting.losses import is_occluded, plain_attributes
from datasets.exporting.names import export_name
from datasets.exporting.settings import Exported, ExportFormat, ExportSettings
from datasets.geometry import clip_box
from datasets.importing.importer import import_dataset
from datasets.store import ImageStore
from datasets.taxonomy import Taxonomy

from .conftest import close, rle

EXAMPLES = settings(max_examples=12)
Data = st.DataObject


@contextmanager
def exported(dataset: Dataset, store: ImageStore, form: ExportFormat, **asked: Any) -> Iterator[tuple[Path, Exported]]:
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "out"
        yield out, export_dataset(dataset, store, out, format=form, settings=ExportSettings(**asked))


def searched(dataset: Dataset) -> bool:
    """Whether an image was searched for shapes, as YOLO needs it."""
    shape_ids = set(dataset.taxonomy.ids("rectangle"))
    return bool(dataset.annotations or any(shape_ids & set(image.neg_category_ids) for image in dataset.images))


def upright_inside(dataset: Dataset, image: Image, *, crowds: bool) -> list[tuple[Annotation, tuple[float, ...]]]:
    """Annotations with something in their image, each with the part of its upright box that is inside."""
    found = [
        (a, clip_box(upright_box(a), image.width, image.height)) for a in dataset.annotations_of.get(image.sha256, ())
    ]
    return [(a, inside) for a, inside in found if inside and (crowds or not a.iscrowd)]


@given(data=st.data())
@EXAMPLES
def test_coco_keeps_everything_for_carloop_and_opens_in_pycocotools(
    data: Data, any_cars: SearchStrategy[Dataset], taxonomy: Taxonomy, photographs: ImageStore
) -> None:
    dataset = data.draw(any_cars)
    with exported(dataset, photographs, "coco") as (out, told):
        assert read_coco(out / "annotations.json", taxonomy) == renamed(dataset)
        opened = COCO(str(out / "annotations.json"))
        for image in opened.imgs.values():
            assert (out / image["file_name"]).read_bytes() == _stored(dataset, photographs, image["sha256"])
    expected = renamed(dataset).annotations
    assert told.annotations == len(opened.anns) == len(expected)
    for entry, annotation in zip(opened.anns.values(), expected, strict=True):
        assert (entry["category_id"], bool(entry["iscrowd"])) == (annotation.category_id, annotation.iscrowd)
        assert tuple(entry["bbox"]) == annotation.bbox_xywh
        if isinstance(annotation.segmentation, Rle):
            assert opened.annToRLE(entry)["counts"] == annotation.segmentation.counts
        elif annotation.segmentation:
            assert opened.annToRLE(entry)["size"] == list(_size(dataset, annotation))


def _stored(dataset: Dataset, store: ImageStore, sha256: str) -> bytes:
    return store.path(dataset.by_sha256[sha256].file_name).read_bytes()


def _size(dataset: Dataset, annotation: Annotation) -> tuple[int, int]:
    image = dataset.by_sha256[annotation.sha256]
    return image.height, image.width


@given(data=st.data())
@EXAMPLES
def test_yolo_keeps_upright_boxes_to_a_ten_thousandth_of_a_pixel(
    data: Data, any_cars: SearchStrategy[Dataset], photographs: ImageStore
) -> None:
    dataset = data.draw(any_cars.filter(searched))
    with exported(dataset, photographs, "yolo") as (out, told):
        names = yaml.safe_load((out / "data.yaml").read_text())["names"]
        labels = {path.stem: path.read_text().splitlines() for path in out.rglob("labels/*/*.txt")}
        assert {path.stem for path in out.rglob("images/*/*")} == set(labels)
    assert told.annotations == sum(map(len, labels.values()))
    for image in dataset.images:
        rows = labels.get(Path(export_name(image)).stem, [])
        expected = upright_inside(dataset, image, crowds=False)
        for row, (annotation, inside) in zip(rows, expected, strict=True):
            number, *values = row.split()
            assert names[int(number)] == dataset.taxonomy.name(annotation.category_id)
            assert close(_pixels(values, image), inside, pixels=1e-4)
            assert all(0 <= float(value) <= 1 for value in values)


def _pixels(values: list[str], image: Image) -> tuple[float, ...]:
    x, y, width, height = map(float, values)
    return (
        (x - width / 2) * image.width, (y - height / 2) * image.height, width * image.width, height * image.height
    )  # fmt: skip


@given(data=st.data())
@EXAMPLES
def test_yolo_outlines_are_rows_of_one_kind_inside_the_image(
    data: Data, any_cars: SearchStrategy[Dataset], photographs: ImageStore
) -> None:
    dataset = data.draw(any_cars.filter(searched))
    with exported(dataset, photographs, "yolo", polygons=True) as (out, told):
        rows = [row.split() for path in out.rglob("labels/*/*.txt") for row in path.read_text().splitlines()]
    assert told.annotations == len(rows)
    assert all(len(row) >= 7 and len(row) % 2 == 1 for row in rows)
    assert all(0 <= float(value) <= 1 for row in rows for value in row[1:])


def test_yolo_outlines_cover_what_was_drawn(everything: Dataset, photographs: ImageStore) -> None:
    image = next(image for image in everything.images if image.source.url)
    with exported(everything, photographs, "yolo", polygons=True) as (out, _):
        rows = next(out.rglob(f"{Path(export_name(image)).stem}.txt")).read_text().splitlines()
    sizes = np.array([image.width, image.height])
    drawn = [np.reshape(list(map(float, row.split()[1:])), (-1, 2)) * sizes for row in rows]
    mask, box, several, triangle = (mask_of_polygons([tuple(points.ravel())], image).area for points in drawn)
    assert close(drawn[3].ravel(), (30, 30, 40.5, 30, 30, 41.25), pixels=1e-4)
    assert (box, mask) == (21 * 8, pytest.approx(20 * 12, abs=16))  # the hole is filled, the sides are 0.25 px off
    assert several == pytest.approx(triangle + 10 * 10, abs=8)  # the bridge


@given(data=st.data())
@EXAMPLES
def test_cvat_keeps_shapes_tags_attributes_and_who_drew_them(
    data: Data, any_cars: SearchStrategy[Dataset], photographs: ImageStore
) -> None:
    dataset = data.draw(any_cars)
    with exported(dataset, photographs, "cvat") as (out, _):
        root = ElementTree.parse(out / "annotations.xml").getroot()
        assert all((out / "images" / element.attrib["name"]).is_file() for element in root.iter("image"))
    elements = {element.attrib["name"]: element for element in root.iter("image")}
    assert elements.keys() == {export_name(image) for image in dataset.images}
    for image in dataset.images:
        element = elements[export_name(image)]
        assert (element.attrib["width"], element.attrib["height"]) == (str(image.width), str(image.height))
        found = sorted(map(repr, _cvat_shapes(element, image)))
        assert found == sorted(repr(_as_cvat(a, dataset)) for a in dataset.annotations_of.get(image.sha256, ()))
        tags = [(tag.attrib["label"], _cvat_attributes(tag)) for tag in element.iter("tag")]
        assert tags == [(dataset.taxonomy.name(tag.category_id), tag.attributes) for tag in image.tags]


def _as_cvat(annotation: Annotation, dataset: Dataset) -> tuple[Any, ...]:
    drawn: Any = annotation.segmentation
    if not drawn:
        x, y, width, height = annotation.bbox_xywh
        drawn = (x, y, x + width, y + height, float(annotation.attributes.get("rotation", 0)))
    said = (annotation.source, is_occluded(annotation), sorted(plain_attributes(annotation).items()))
    return dataset.taxonomy.name(annotation.category_id), drawn, *said


def _cvat_shapes(image_element: ElementTree.Element, image: Image) -> Iterator[tuple[Any, ...]]:
    groups: dict[str, list[ElementTree.Element]] = defaultdict(list)
    for element in image_element:
        if element.tag != "tag":
            groups[element.attrib.get("group_id") or f"alone {len(groups)}"].append(element)
    for elements in groups.values():
        fields = elements[0].attrib
        said = (fields["source"], fields["occluded"] == "1", sorted(_cvat_attributes(elements[0]).items()))
        yield fields["label"], _cvat_drawn(elements, image), *said


def _cvat_drawn(elements: list[ElementTree.Element], image: Image) -> Polygons | Rle | tuple[float, ...]:
    fields = elements[0].attrib
    if elements[0].tag == "box":
        return tuple(float(fields.get(name, 0)) for name in ("xtl", "ytl", "xbr", "ybr", "rotation"))
    if elements[0].tag == "polygon":
        points = (element.attrib["points"].replace(";", ",").split(",") for element in elements)
        return tuple(tuple(map(float, numbers)) for numbers in points)
    left, top, width, height = (int(fields[name]) for name in ("left", "top", "width", "height"))
    runs = [int(run) for run in fields["rle"].split(",")]
    pixels = np.zeros((image.height, image.width), np.uint8)
    crop = np.repeat(np.arange(len(runs)) % 2, runs).reshape(height, width)
    pixels[top : top + height, left : left + width] = crop
    return rle(pixels)


def _cvat_attributes(element: ElementTree.Element) -> dict[str, str]:
    return {attribute.attrib["name"]: attribute.text or "" for attribute in element.iter("attribute")}


@given(data=st.data())
@EXAMPLES
def test_voc_keeps_boxes_flags_and_attributes_to_a_millionth_of_a_pixel(
    data: Data, any_cars: SearchStrategy[Dataset], photographs: ImageStore
) -> None:
    dataset = data.draw(any_cars)
    with exported(dataset, photographs, "voc") as (out, _):
        trees = {path.stem: ElementTree.parse(path) for path in (out / "Annotations").iterdir()}
        lists = {path.stem: path.read_text().split() for path in (out / "ImageSets/Main").iterdir()}
    for image in dataset.images:
        stem = Path(export_name(image)).stem
        assert stem in lists[image.split or "unsplit"]
        objects = trees[stem].findall("object")
        for found, (annotation, inside) in zip(objects, upright_inside(dataset, image, crowds=True), strict=True):
            assert found.findtext("name") == dataset.taxonomy.name(annotation.category_id)
            flags = (found.findtext("occluded") == "1", found.findtext("difficult") == "1")
            assert flags == (is_occluded(annotation), annotation.iscrowd)
            left, top, right, bottom = (float(found.findtext(f"bndbox/{side}", "")) for side in _VOC_SIDES)
            assert close((left, top, right - left, bottom - top), inside, pixels=1e-5)
            attributes = {a.findtext("name"): a.findtext("value") for a in found.iter("attribute")}
            assert attributes == plain_attributes(annotation)


_VOC_SIDES = ("xmin", "ymin", "xmax", "ymax")


@given(data=st.data())
@EXAMPLES
def test_voc_lists_say_of_tags_what_is_known(
    data: Data, any_cars: SearchStrategy[Dataset], photographs: ImageStore
) -> None:
    dataset = data.draw(any_cars)
    with exported(dataset, photographs, "voc") as (out, _):
        lists = {path.stem: path.read_text().splitlines() for path in (out / "ImageSets/Main").iterdir()}
    for image in dataset.images:
        stem, split = Path(export_name(image)).stem, image.split or "unsplit"
        for category_id in dataset.taxonomy.ids("tag"):
            said = dict(line.split() for line in lists.get(f"{dataset.taxonomy.name(category_id)}_{split}", ()))
            present = any(tag.category_id == category_id for tag in image.tags)
            absent = category_id in image.neg_category_ids
            assert said.get(stem) == ("1" if present else "-1" if absent else None)


@given(data=st.data())
@EXAMPLES
def test_mot_keeps_upright_boxes_tracks_and_crowds(
    data: Data, any_cars: SearchStrategy[Dataset], photographs: ImageStore
) -> None:
    dataset = data.draw(any_cars)
    with exported(dataset, photographs, "mot") as (out, _):
        rows = [row for path in out.rglob("gt.txt") for row in csv.reader(path.read_text().splitlines())]
        kept = Counter(path.read_bytes() for path in out.rglob("img1/*"))
    assert kept == Counter(_stored(dataset, photographs, image.sha256) for image in dataset.images)
    found = sorted([int(row[7]), int(row[1]), int(row[6]), float(row[8]), *map(float, row[2:6])] for row in rows)
    expected = sorted(
        [a.category_id, -1 if a.track_id is None else a.track_id, int(not a.iscrowd), float(not is_occluded(a))]
        + [round(value, 6) for value in upright_box(a)]
        for a in dataset.annotations
    )
    assert found == pytest.approx(np.array(expected), abs=1e-5) if expected else not found


@given(data=st.data())
@EXAMPLES
def test_mask_pixels_are_a_class_only_where_one_was_drawn_and_never_background_where_it_is_unknown(
    data: Data, any_cars: SearchStrategy[Dataset], photographs: ImageStore
) -> None:
    dataset = data.draw(any_cars)
    with exported(dataset, photographs, "masks") as (out, _):
        masks = {path.stem: np.array(PillowImage.open(path)) for path in out.rglob("masks/*.png")}
    for image in dataset.images:
        pixels = masks[Path(export_name(image)).stem]
        assert pixels.shape == (image.height, image.width)
        annotations = dataset.annotations_of.get(image.sha256, ())
        drawn = {a.category_id for a in annotations if a.segmentation}
        assert set(np.unique(pixels)) <= {0, 255} | drawn
        if set(dataset.taxonomy.ids("rectangle")) - dataset.known_category_ids(image.sha256):
            assert 0 not in pixels
        for annotation in annotations:
            if isinstance(annotation.segmentation, Rle):
                assert (pixels[mask_of(annotation.segmentation, image).pixels > 0] > 0).all()


@given(data=st.data())
@EXAMPLES
def test_what_masks_say_is_known_after_an_import_was_known_before(
    data: Data, any_cars: SearchStrategy[Dataset], photographs: ImageStore
) -> None:
    dataset = data.draw(any_cars)
    with exported(dataset, photographs, "masks") as (out, _):
        found = import_dataset(out, taxonomy=dataset.taxonomy, store=photographs).datasets
    for part in found:
        for image in part.images:
            assert part.known_category_ids(image.sha256) <= dataset.known_category_ids(image.sha256)
            before = {annotation.category_id for annotation in dataset.annotations_of[image.sha256]}
            assert before.isdisjoint(image.neg_category_ids)


@given(data=st.data())
@EXAMPLES
def test_class_folders_hold_each_image_with_one_tag_once(
    data: Data, any_cars: SearchStrategy[Dataset], photographs: ImageStore
) -> None:
    dataset = data.draw(any_cars.filter(lambda d: any(len(image.tags) == 1 for image in d.images)))
    with exported(dataset, photographs, "folders") as (out, told):
        found = Counter((path.parent.name, path.name) for path in out.rglob("*.jpg"))
    tagged = [image for image in dataset.images if len(image.tags) == 1]
    expected = Counter((dataset.taxonomy.name(image.tags[0].category_id), export_name(image)) for image in tagged)
    assert (found, told.images) == (expected, len(tagged))


def test_yolo_validates_on_whole_families_kept_apart(everything: Dataset, photographs: ImageStore) -> None:
    dataset = Dataset(
        everything.taxonomy,
        tuple(replace(image, split="train", family=f"car {n // 2}") for n, image in enumerate(everything.images)),
    )
    with exported(dataset, photographs, "yolo", val_fraction=0.5) as (out, told):
        listed = yaml.safe_load((out / "data.yaml").read_text())
        found = {path.stem: path.parent.name for path in out.rglob("images/*/*")}
    assert (listed["train"], listed["val"]) == ("images/train", "images/val")
    folders: dict[str, set[str]] = defaultdict(set)
    for image in dataset.images:
        folders[image.family].update(found[stem] for stem in [Path(export_name(image)).stem] if stem in found)
    assert all(len(used) <= 1 for used in folders.values())
    assert set.union(*folders.values()) == {"train", "val"}
    assert not any("stand in" in loss.what for loss in told.losses)


def test_yolo_trains_on_images_without_a_split_when_none_has_one(everything: Dataset, photographs: ImageStore) -> None:
    unsplit = Dataset(
        everything.taxonomy, tuple(replace(image, split=None) for image in everything.images), everything.annotations
    )
    with exported(unsplit, photographs, "yolo") as (out, _):
        listed = yaml.safe_load((out / "data.yaml").read_text())
    assert (listed["train"], listed["val"]) == ("images/unsplit", "images/unsplit")


def test_mot_frames_are_in_the_order_of_their_names(everything: Dataset, photographs: ImageStore) -> None:
    names = ["frame 10.jpg", "frame 9.jpg", "frame 1.jpg"]
    images = [
        replace(image, family="drive", split="train", source=replace(image.source, url=f"https://v.example/{name}"))
        for image, name in zip(everything.images, names, strict=False)
    ]
    images = [replace(image, deleted=False) for image in images]
    with exported(Dataset(everything.taxonomy, tuple(images)), photographs, "mot") as (out, _):
        frames = [path.read_bytes() for path in sorted(out.rglob("img1/*"))]
        info = next(out.rglob("seqinfo.ini")).read_text()
    assert frames == [photographs.path(image.file_name).read_bytes() for image in reversed(images)]
    assert "seqLength=3\n" in info
