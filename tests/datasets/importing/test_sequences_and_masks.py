"""MOT sequences and segmentation masks, read through datumaro."""

import io
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from PIL import Image as PillowImage

DOOR, DENT = 1, 2
META = {"label_map": {"0": "background", "1": "dent", "2": "door"}}


def png(pixels: Any, mode: str = "L") -> bytes:
    content = io.BytesIO()
    PillowImage.fromarray(np.asarray(pixels, np.uint8), mode).save(content, "PNG")
    return content.getvalue()


def mot(lines: str) -> dict[str, Any]:
    return {"gt/gt.txt": lines, "gt/labels.txt": "dent\ndoor\n", "img1/000001.jpg": 1, "img1/000002.jpg": 2}


def test_a_sequence_has_tracks_and_one_family(write: Any, load: Any) -> None:
    imported = load(write(mot("1,7,1,2,10,20,1,1,1\n2,7,2,2,10,20,1,1,0.5\n2,8,5,5,9,9,0,2,1\n")))
    (dataset,) = imported.datasets
    assert imported.format == "mot"
    assert sorted((a.track_id, a.category_id, a.iscrowd) for a in dataset.annotations) == [
        (7, DENT, False),
        (7, DENT, False),
        (8, DOOR, True),
    ]
    assert {image.family for image in dataset.images} == {"cars"}


def test_objects_without_a_class_are_called_objects(write: Any, refusal: Callable[..., str]) -> None:
    assert "'object' (1 objects) not in the project" in refusal(write(mot("1,7,1,2,10,20,1,-1,-1\n")))


@pytest.mark.parametrize("line", ["1,x,1,2,10,20,1,1,1", "1,7,1,2", "1,7,1,2,10,20,1,99,1"])
def test_a_broken_line_is_refused(line: str, write: Any, refusal: Callable[..., str]) -> None:
    assert "gt.txt cannot be read as MOT: " in refusal(write(mot(line)))


def test_every_region_of_a_mask_is_an_object(write: Any, load: Any, by_name: Any) -> None:
    pixels = np.zeros((48, 64))
    pixels[2:12, 1:11], pixels[20:30, 20:30], pixels[30:40, 50:60], pixels[0, 63] = 1, 1, 2, 1
    files = {"dataset_meta.json": META, "images/a.jpg": 1, "images/b.jpg": 2, "masks/a.png": png(pixels)}
    imported = load(write(files))
    found = by_name(imported)
    assert imported.format == "masks"
    assert [(a.category_id, a.bbox_xywh) for a in found["images/a.jpg"][1]] == [
        (DOOR, (50, 30, 10, 10)),
        (DENT, (1, 2, 10, 10)),
        (DENT, (20, 20, 10, 10)),
    ]


def test_coloured_masks_are_read(write: Any, load: Any) -> None:
    pixels = np.zeros((48, 64, 3))
    pixels[2:12, 1:11] = (255, 0, 0)
    meta = META | {"segmentation_colors": [[0, 0, 0], [255, 0, 0], [0, 255, 0]]}
    root = write({"dataset_meta.json": meta, "images/a.jpg": 1, "masks/a.png": png(pixels, "RGB")})
    (annotation,) = load(root).datasets[0].annotations
    assert (annotation.category_id, annotation.bbox_xywh) == (DENT, (1, 2, 10, 10))


def test_a_mask_of_the_raw_pixels_is_turned_with_its_image(write: Any, load: Any, photograph: Any) -> None:
    pixels = np.zeros((48, 64))
    pixels[4:12, 10:30] = 1
    exif = PillowImage.Exif()
    exif[0x0112] = 6
    files = {"dataset_meta.json": META, "images/a.jpg": photograph(1, exif=exif), "masks/a.png": png(pixels)}
    (annotation,) = load(write(files)).datasets[0].annotations
    assert annotation.bbox_xywh == (36, 10, 8, 20)


def test_the_classes_that_a_masks_folder_calls_unknown_on_an_image_are_not_absent(
    write: Any, load: Any, by_name: Any
) -> None:
    pixels = np.zeros((48, 64))
    pixels[2:12, 1:11] = 1
    meta = META | {"unknown_classes": {"a": ["dent", "door"]}}
    files = {f"images/{name}.jpg": number for number, name in enumerate("ab")}
    imported = load(write(files | {"dataset_meta.json": meta, "masks/a.png": png(pixels), "masks/b.png": png(pixels)}))
    images = {name: image for name, (image, _) in by_name(imported).items()}
    known = {name: imported.datasets[0].known_category_ids(image.sha256) for name, image in images.items()}
    assert known == {"images/a.jpg": set(), "images/b.jpg": {DOOR, DENT}}


def test_a_class_that_a_masks_folder_did_not_look_for_is_not_absent(write: Any, load: Any) -> None:
    meta = META | {"searched_classes": ["dent"]}
    root = write({"dataset_meta.json": meta, "images/a.jpg": 1, "masks/a.png": png(np.zeros((48, 64)))})
    assert load(root).datasets[0].images[0].neg_category_ids == (DENT,)


def test_a_class_of_which_there_are_crumbs_alone_is_not_absent(write: Any, load: Any) -> None:
    pixels = np.zeros((48, 64))
    pixels[0, 60:63] = 1
    (dataset,) = load(write({"dataset_meta.json": META, "images/a.jpg": 1, "masks/a.png": png(pixels)})).datasets
    assert (dataset.annotations, dataset.images[0].neg_category_ids) == ((), (DOOR,))


def test_a_broken_mask_is_refused_by_name(write: Any, refusal: Callable[..., str]) -> None:
    root = write({"dataset_meta.json": META, "images/a.jpg": 1, "masks/a.png": png(np.zeros((48, 64)))[:-30]})
    assert f"{root}/masks/a.png: not a whole image" in refusal(root)


@pytest.mark.parametrize("meta", [[], {"label_map": []}, {"label_map": {"0": []}}])
def test_broken_classes_are_refused(meta: Any, write: Any, refusal: Callable[..., str]) -> None:
    root = write({"dataset_meta.json": meta, "images/a.jpg": 1, "masks/a.png": png(np.zeros((48, 64)))})
    assert "cannot be read as segmentation masks: something is missing or not what it should be" in refusal(root)


def test_unknown_classes_that_are_no_lists_are_refused(write: Any, refusal: Callable[..., str]) -> None:
    meta = META | {"unknown_classes": ["dent"]}
    root = write({"dataset_meta.json": meta, "images/a.jpg": 1, "masks/a.png": png(np.zeros((48, 64)))})
    assert "cannot be read as segmentation masks: Expected `object`, got `array`" in refusal(root)
