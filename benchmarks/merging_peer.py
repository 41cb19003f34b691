"""One peer of benchmarks.merging, alone in its process: `python -m benchmarks.merging_peer PEER FIRST SECOND OUT`.

Each peer reads two COCO files and writes one result below the folder OUT. Timed is from before reading until the result
is written, without starting Python or importing. The library's imports are inside of its function, so that no peer
pays for another's.
"""

import contextlib
import json
import sys
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any

import orjson

from benchmarks.merging_data import CLASSES
from benchmarks.turns import Figures, timed
from datasets.collecting import no_cycle_collection

Work = Callable[[Path, Path, Path], tuple[Path, object]]
"""Merges the first file and the second into a folder; returns the result's path, and what it held in memory by then.

Who merges in a script ends with it, so giving the memory back is not timed.
"""

Coco = dict[str, Any]


def run_peer(peer: str, first: Path, second: Path, out: Path) -> Figures:
    """Seconds, peak memory, and what the result holds."""
    work = PEERS[peer]()
    with contextlib.redirect_stdout(sys.stderr):
        (path, _), figures = timed(lambda: work(first, second, out))
    return {**figures, "bytes": path.stat().st_size, **_held(path)}


def _held(path: Path) -> Figures:
    """Images and annotations in a result; Carloop's folder has a digest as its name and may have conflicts."""
    content = orjson.loads(path.read_bytes())
    files = content if isinstance(content, list) else [content]
    held: Figures = {key: sum(len(file[key]) for file in files) for key in ("images", "annotations")}
    conflicts = path.with_name("conflicts.json")
    if path.with_name("manifest.json").exists():
        held["digest"] = path.parent.name
        held["conflicts"] = len(orjson.loads(conflicts.read_bytes())) if conflicts.exists() else 0
    return held


def _carloop() -> Work:
    """The whole merge, with digest, conflicts, manifest and fsync."""
    from datasets.merge import merge_records
    from datasets.records import read_records
    from datasets.taxonomy import Category, Taxonomy
    from datasets.versions import ANNOTATIONS, write_content

    taxonomy = Taxonomy(categories=tuple(Category(name=name) for name in CLASSES))

    def merge(first: Path, second: Path, out: Path) -> tuple[Path, object]:
        merged = merge_records([("first", read_records(first)), ("second", read_records(second))], taxonomy=taxonomy)
        digest = write_content(merged.content, out, conflicts=merged.conflicts, columns=merged.columns)
        return out / digest / ANNOTATIONS, merged

    return merge


def _orjson(*, is_collecting: bool = True) -> Work:
    """The floor: both files are loaded, and dumped one after another; nothing is merged.

    Python's collector of cycles takes more than half of it, going over millions of new dictionaries again and again.
    """

    def merge(first: Path, second: Path, out: Path) -> tuple[Path, object]:
        with contextlib.nullcontext() if is_collecting else no_cycle_collection():
            contents = [orjson.loads(path.read_bytes()) for path in (first, second)]
            with (out / "both.json").open("wb") as handle:
                for before, content in zip((b"[", b","), contents, strict=True):
                    handle.write(before)
                    handle.write(orjson.dumps(content))
                handle.write(b"]")
        return out / "both.json", contents

    return merge


def _json() -> Work:
    """The script that one writes: images by file name, numbers made anew, annotations one after another."""

    def merge(first: Path, second: Path, out: Path) -> tuple[Path, object]:
        return _dump(_concatenated(json.loads(path.read_bytes()) for path in (first, second)), out)

    return merge


def _pycocotools() -> Work:
    """The same over pycocotools' index of each file."""
    from pycocotools.coco import COCO

    def merge(first: Path, second: Path, out: Path) -> tuple[Path, object]:
        return _dump(_concatenated(COCO(path).dataset for path in (first, second)), out)

    return merge


def _concatenated(contents: Iterable[Coco]) -> Coco:
    image_id_of: dict[str, int] = {}
    category_id_of: dict[str, int] = {}
    images: list[Coco] = []
    annotations: list[Coco] = []
    for content in contents:
        image_ids, category_ids = {}, {}
        for category in content["categories"]:
            category_ids[category["id"]] = category_id_of.setdefault(category["name"], len(category_id_of) + 1)
        for image in content["images"]:
            if image["file_name"] not in image_id_of:
                image_id_of[image["file_name"]] = len(images) + 1
                images.append({**image, "id": len(images) + 1})
            image_ids[image["id"]] = image_id_of[image["file_name"]]
        for annotation in content["annotations"]:
            numbers = {
                "id": len(annotations) + 1,
                "image_id": image_ids[annotation["image_id"]],
                "category_id": category_ids[annotation["category_id"]],
            }
            annotations.append({**annotation, **numbers})
    categories = [{"id": number, "name": name} for name, number in category_id_of.items()]
    return {"categories": categories, "images": images, "annotations": annotations}


def _dump(content: Coco, out: Path) -> tuple[Path, object]:
    path = out / "merged.json"
    with path.open("w") as handle:
        json.dump(content, handle)
    return path, content


def _globox() -> Work:
    """Boxes alone; of a shared image the second file's boxes replace the first one's."""
    from globox import AnnotationSet

    def merge(first: Path, second: Path, out: Path) -> tuple[Path, object]:
        merged = AnnotationSet()
        for path in (first, second):
            merged.update(AnnotationSet.from_coco(path), override=True)
        merged.save_coco(out / "merged.json", auto_ids=True)
        return out / "merged.json", merged

    return merge


def _datumaro(policy: str) -> Callable[[], Work]:
    """By one of datumaro's policies; its third, "exact", refuses the same image from two folders.

    https://open-edge-platform.github.io/datumaro/latest/docs/reference/_autosummary/datumaro.components.merge.html
    """

    def prepare() -> Work:
        from datumaro.components.dataset import Dataset
        from datumaro.components.hl_ops import HLOps

        def merge(first: Path, second: Path, out: Path) -> tuple[Path, object]:
            datasets = [Dataset.import_from(str(path.parent.parent), "coco_instances") for path in (first, second)]
            merged = HLOps.merge(*datasets, merge_policy=policy)
            merged.export(str(out / "merged"), "coco_instances", save_media=False, reindex=True)
            return out / "merged/annotations/instances_all.json", merged

        return merge

    return prepare


PEERS: dict[str, Callable[[], Work]] = {
    "carloop": _carloop,
    "orjson": _orjson,
    "orjson-uncollected": partial(_orjson, is_collecting=False),
    "json": _json,
    "globox": _globox,
    "pycocotools": _pycocotools,
    "datumaro": _datumaro("union"),
    "datumaro-intersect": _datumaro("intersect"),
}
MODULES = {
    "globox": "globox",
    "pycocotools": "pycocotools",
    "datumaro": "datumaro",
    "datumaro-intersect": "datumaro",
}

if __name__ == "__main__":
    peer, *paths = sys.argv[1:]
    first, second, out = map(Path, paths)
    print(json.dumps(run_peer(peer, first, second, out)))
