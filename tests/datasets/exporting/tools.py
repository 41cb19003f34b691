"""Run in a process of its own: what Ultralytics, or FiftyOne, makes of an export. Prints JSON."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any


def ultralytics(folder: Path, task: str) -> dict[str, Any]:
    """Labels by image as its dataset has them, the sizes of decoded images, and how many were called corrupt."""
    from ultralytics.data.dataset import YOLODataset
    from ultralytics.data.utils import check_det_dataset

    data = check_det_dataset(str(folder / "data.yaml"))
    found: dict[str, Any] = {"names": data["names"], "corrupt": 0, "images": {}}
    for split in ("train", "val"):
        images = YOLODataset(img_path=data[split], data=data, task=task, augment=False, imgsz=64)
        found["corrupt"] += len(list(Path(data[split]).iterdir())) - len(images.labels)
        for index, label in enumerate(images.labels):
            found["images"][Path(label["im_file"]).name] = {
                "cls": label["cls"].ravel().tolist(),
                "bboxes": label["bboxes"].tolist(),
                "shape": label["shape"],
                "decoded": images.load_image(index)[1],
                "segments": len(label["segments"]),
            }
    return found


def classify(folder: Path) -> dict[str, Any]:
    """Class numbers by image of a folder of classes, as Ultralytics' classifiers have them."""
    from ultralytics.cfg import get_cfg
    from ultralytics.data.dataset import ClassificationDataset

    images = ClassificationDataset(str(folder), args=get_cfg(overrides={"imgsz": 64}), augment=False)
    return {"classes": images.base.classes, "images": {Path(s[0]).name: s[1] for s in images.samples}}


def fiftyone(folder: Path, form: str) -> dict[str, Any]:
    """Detections by image, boxes relative to it, and sizes."""
    from fiftyone.utils.coco import COCODetectionDatasetImporter
    from fiftyone.utils.voc import VOCDetectionDatasetImporter
    from fiftyone.utils.yolo import YOLOv5DatasetImporter

    if form == "coco":
        labels = str(folder / "annotations.json")
        kinds = ["detections", "segmentations"]
        importer: Any = COCODetectionDatasetImporter(data_path=str(folder), labels_path=labels, label_types=kinds)
    elif form == "yolo":
        importer = YOLOv5DatasetImporter(dataset_dir=str(folder), yaml_path="data.yaml", split="train")
    else:
        importer = VOCDetectionDatasetImporter(
            dataset_dir=str(folder), data_path="JPEGImages", labels_path="Annotations"
        )
    with importer as samples:
        return {"images": {Path(path).name: _sample(metadata, label) for path, metadata, label in samples}}


def _sample(metadata: Any, label: Any) -> dict[str, Any]:
    fields = label if isinstance(label, dict) else {"detections": label}
    return {
        "size": metadata and [metadata.width, metadata.height],
        **{
            name: [[found.label, list(found.bounding_box), found.has_mask] for found in fields[name].detections]
            for name in ("detections", "segmentations")
            if fields.get(name) is not None
        },
    }


if __name__ == "__main__":
    tools: dict[str, Callable[..., Any]] = {"ultralytics": ultralytics, "classify": classify, "fiftyone": fiftyone}
    answers = [tools[tool](Path(folder), *arguments) for tool, folder, *arguments in json.loads(sys.argv[1])]
    print(json.dumps(answers))
