"""The formats in which datasets are exported, under CVAT's names."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial

from cvat.embedded.formats import coco, coco_keypoints, cvat_images, cvat_video, yolo
from cvat.embedded.formats.cvat_xml import image_name as cvat_image_name
from cvat.embedded.formats.dataset import Dataset, DatasetFrame


@dataclass(frozen=True)
class Exporter:
    """How a format writes: the files of annotations, name and content, and the place of each image."""

    files: Callable[[Dataset], Iterator[tuple[str, bytes]]]
    image_name: Callable[[Dataset, DatasetFrame], str]


def _cvat_image(dataset: Dataset, frame: DatasetFrame) -> str:
    return cvat_image_name(frame, in_project=dataset.kind == "project")


def _ultralytics(files: Callable[[Dataset], Iterator[tuple[str, bytes]]]) -> Exporter:
    return Exporter(files, lambda _dataset, frame: yolo.image_name(frame))


def _ultralytics_of(line: yolo.Line) -> Exporter:
    return _ultralytics(partial(yolo.ultralytics_files, line))


EXPORTERS: Mapping[str, Exporter] = {
    "COCO 1.0": Exporter(coco.annotation_files, lambda _dataset, frame: coco.image_name(frame)),
    "COCO Keypoints 1.0": Exporter(coco_keypoints.annotation_files, lambda _dataset, frame: coco.image_name(frame)),
    "CVAT for images 1.1": Exporter(cvat_images.annotation_files, _cvat_image),
    "CVAT for video 1.1": Exporter(cvat_video.annotation_files, _cvat_image),
    "Ultralytics YOLO Detection 1.0": _ultralytics_of(yolo.box_line),
    "Ultralytics YOLO Oriented Bounding Boxes 1.0": _ultralytics_of(yolo.turned_box_line),
    "Ultralytics YOLO Pose 1.0": _ultralytics(yolo.pose_files),
    "Ultralytics YOLO Segmentation 1.0": _ultralytics_of(yolo.polygon_line),
    "YOLO 1.1": Exporter(yolo.darknet_files, lambda _dataset, frame: yolo.darknet_image_name(frame)),
}
