"""The formats that can be imported, under CVAT's names."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from cvat.embedded.formats import coco_reading, cvat_reading
from cvat.embedded.formats import yolo_reading as yolo
from cvat.embedded.formats.files import Files, Images
from cvat.embedded.formats.target import Target
from cvat.embedded.labeled import LabeledData


@dataclass(frozen=True)
class Importer:
    """How a format is read: its annotations, and for a whole dataset its images by subset and its labels.

    `endings` are the files that are taken, in CVAT's words.
    """

    endings: str
    read_annotations: Callable[[Files, Target], LabeledData]
    images_by_subset: Callable[[Files], Mapping[str, Images]]
    label_names: Callable[[Files], list[str]]


def _yolo(reader: yolo.YoloReader) -> Importer:
    return Importer("ZIP", reader.read_annotations, reader.images_by_subset, reader.label_names)


def _coco(read_annotations: Callable[[Files, Target], LabeledData]) -> Importer:
    return Importer("JSON, ZIP", read_annotations, coco_reading.images_by_subset, coco_reading.label_names)


IMPORTERS: Mapping[str, Importer] = {
    "COCO 1.0": _coco(coco_reading.read_instances),
    "COCO Keypoints 1.0": _coco(coco_reading.read_keypoints),
    "CVAT 1.1": Importer(
        "XML, ZIP", cvat_reading.read_annotations, cvat_reading.images_by_subset, cvat_reading.label_names
    ),
    "Ultralytics YOLO Detection 1.0": _yolo(yolo.YoloReader(yolo.read_box)),
    "Ultralytics YOLO Oriented Bounding Boxes 1.0": _yolo(yolo.YoloReader(yolo.read_turned_box)),
    "Ultralytics YOLO Pose 1.0": _yolo(yolo.YoloReader(yolo.read_skeleton)),
    "Ultralytics YOLO Segmentation 1.0": _yolo(yolo.YoloReader(yolo.read_polygon)),
    "YOLO 1.1": _yolo(yolo.YoloReader(yolo.read_box, darknet=True)),
}
