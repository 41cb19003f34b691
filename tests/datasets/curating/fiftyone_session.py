"""What the tests of curation do in FiftyOne: a process of its own, for FiftyOne is one per process.

Called with a folder and MongoDB's address; prints what it saw as JSON.
"""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from msgspec.structs import replace
from PIL import Image as PillowImage

from benchmarks.curation_speed import make_cars, measure, move
from datasets.coco import Annotation, Dataset, Image, Provenance, Tag, make_dataset
from datasets.comparison import Fate
from datasets.curating import Review, open_fiftyone, sync
from datasets.curating.brain import write_evaluations, write_likeness
from datasets.curating.reading import load_review, read_shown, take_back
from datasets.curating.schema import declare_fields
from datasets.curating.views import view_counts
from datasets.decisions import Decision
from datasets.errors import BadInput
from datasets.labelled import LabelledObject, tag
from datasets.ledger import FateRow
from datasets.merging.conflicts import Conflict
from datasets.rle import encode_pixels
from datasets.store import ImageStore
from datasets.taxonomy import DEFAULT_TAXONOMY as TAXONOMY
from datasets.versions import write_version

DENT, HOOD, CLEAN, DIRTY = map(TAXONOMY.category_id, ("dent", "damaged hood", "clean", "dirty"))
IMAGES = 24


def make_review(folder: Path) -> Review:
    """Photographs of cars, of which each view shows some."""
    store = ImageStore(folder / "store")
    images = [_image(store, folder, number) for number in range(IMAGES)]
    images[2] = replace(images[2], near=(images[3].sha256,))
    sha256s = [image.sha256 for image in images]
    pixels = np.zeros((50, 100))
    pixels[10:30, 20:60] = 1
    pixels[10, 20] = 0
    annotations = [
        Annotation(sha256s[0], DENT, (10, 10, 20, 20), source="semi-auto", attributes={"rotation": "30", "depth": "2"}),
        Annotation(sha256s[0], DENT, (10, 10, 20, 20), source="manual"),
        Annotation(sha256s[1], HOOD, (10, 10, 20, 20), segmentation=((10.0, 10.0, 30.0, 10.0, 30.0, 30.0),)),
        Annotation(sha256s[2], DENT, (20, 10, 40, 20), segmentation=encode_pixels(pixels)),
        *(Annotation(sha256, DENT, (10, 10, 40, 30)) for sha256 in sha256s[3:]),
    ]
    dataset = make_dataset(TAXONOMY, images, annotations)
    return Review(
        dataset,
        store,
        fates=_fates(sha256s),
        predictions={"champion": _predict(dataset, DIRTY, 0.6), "challenger": _predict(dataset, CLEAN, 0.9)},
        conflicts=[Conflict("presence", sha256s[5], "5.png", ("dent",), ("one", "other"))],
        quarantine={sha256s[6]: "not a whole image"},
        failed_probes={sha256s[7]: ["spurious"]},
        decisions={sha256s[8]: Decision(("gold",), 4, "sharp")},
    )


def _image(store: ImageStore, folder: Path, number: int) -> Image:
    path = folder / f"{number}.png"
    PillowImage.new("RGB", (100, 50), (number, 0, 0)).save(path)
    stored = store.write_image(path.read_bytes())
    split = "test" if number in (1, 3) else "train"
    said = Provenance(license="CC0-1.0", page_url="https://a.example/1", author="Ada", url="https://a.example/1.png")
    family = f"car {max(number, 1)}"
    tags = (Tag(DIRTY if number == 0 else CLEAN),)
    return Image(stored.sha256, stored.file_name, 100, 50, family, split, source=said, tags=tags)


def _fates(sha256s: list[str]) -> list[FateRow]:
    before = LabelledObject("dent", (10.0, 10.0, 40.0, 30.0), 7, 0.87)
    after = LabelledObject("dent", (10.0, 10.0, 30.0, 30.0), 7)
    return [
        FateRow(sha256s[0], "damage_detector@3", Fate("moved", before, after, 2 / 3)),
        FateRow(sha256s[0], "cleanliness_classifier@1", Fate("reclassed", tag("clean"), tag("dirty"))),
        FateRow(sha256s[4], "damage_detector@3", Fate("accepted", before, before, 1.0)),
    ]


def _predict(dataset: Dataset, category_id: int, score: float) -> Dataset:
    tags = (Tag(category_id, {"confidence": str(score)}),)
    seen = [Annotation(image.sha256, DENT, (10, 10, 40, 30), score=0.5) for image in dataset.images[:12]]
    return make_dataset(TAXONOMY, [replace(image, tags=tags) for image in dataset.images], seen)


def changed(review: Review) -> Review:
    """One image less, one whose family is another, and one whose label moved."""
    images = list(review.dataset.images[1:])
    images[0] = replace(images[0], family="another car")
    moved = [
        replace(a, bbox_xywh=(0, 0, 5, 5)) if a.sha256 == images[1].sha256 else a for a in review.dataset.annotations
    ]
    kept = {image.sha256 for image in images}
    dataset = make_dataset(TAXONOMY, images, (a for a in moved if a.sha256 in kept))
    return Review(dataset, review.store, predictions=review.predictions)


def told_by(call: Callable[[], object]) -> str:
    """The sentence that a call ends with."""
    try:
        call()
    except BadInput as error:
        return str(error)
    return ""


def plain(document: dict[str, Any]) -> dict[str, Any]:
    """A sample's document without ids, times, and what is empty."""
    hidden = ("_id", "_dataset_id", "_rand", "created_at", "last_modified_at")
    return {key: _plain(value) for key, value in document.items() if key not in hidden and value is not None}


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return plain(value)
    return [_plain(one) for one in value] if isinstance(value, list) else value


def written_by_fiftyone(fo: Any, dataset: Any) -> list[dict[str, Any]]:
    """The documents that FiftyOne makes of the same samples."""
    theirs = fo.Dataset("theirs")
    declare_fields(fo, theirs, ["depth", "rotation"])
    theirs.add_samples([sample.copy() for sample in dataset], progress=False)
    return list(theirs._sample_collection.find())


def counts(synced: Any) -> list[int]:
    return [synced.images, synced.added, synced.changed, synced.removed]


def main(folder: Path, mongodb_uri: str) -> dict[str, Any]:
    review = make_review(folder)
    sha256s = {number: image.sha256 for number, image in enumerate(_by_number(review))}
    with open_fiftyone(mongodb_uri) as fo:
        seen: dict[str, Any] = {"first": counts(sync(fo, "cars", review)), "again": counts(sync(fo, "cars", review))}
        dataset = fo.load_dataset("cars")
        by_sha256 = {sample.sha256: sample for sample in dataset}
        seen["sample"] = by_sha256[sha256s[0]].to_dict()
        seen["outline"] = by_sha256[sha256s[1]].outlines.polylines[0].points
        seen["mask"] = by_sha256[sha256s[2]].ground_truth.detections[0].mask.astype(int).tolist()
        seen["decided"] = [by_sha256[sha256s[8]].tags, by_sha256[sha256s[8]].quality, by_sha256[sha256s[8]].notes]
        ours = {document["sha256"]: plain(document) for document in dataset._sample_collection.find()}
        theirs = {document["sha256"]: plain(document) for document in written_by_fiftyone(fo, dataset)}
        seen["unlike_theirs"] = [sha256 for sha256, document in ours.items() if document != theirs[sha256]]
        same = np.random.default_rng(0).normal(size=(IMAGES, 8))
        same[11] = same[10]
        seen["likeness"] = write_likeness(dataset, list(sha256s.values()), same, distance=0.01)
        seen["evaluated"] = write_evaluations(fo, dataset)
        numbers = {sha256: number for number, sha256 in sha256s.items()}
        names = [name for name in dataset.list_saved_views() if not name.startswith("errors")]
        seen["shown"] = {n: [numbers[s] for s in dataset.load_saved_view(n).values("sha256")] for n in names}
        seen["patches"] = view_counts(dataset)["errors of the champion"]
        seen["few_embeddings"] = told_by(lambda: write_likeness(dataset, ["0" * 64], same[:1], distance=0.1))
        seen["torch"] = "torch" in sys.modules
        seen.update(_reviewed(fo, dataset, review, sha256s))
        seen.update(_twice_shown(fo, folder / "decisions.json", review))
        seen["timed"] = sorted(_measured(fo, folder / "benchmark"))
    return seen


def _measured(fo: Any, place: Path) -> dict[str, float]:
    """A small run of the benchmark, which compares with what FiftyOne's own importer makes. Removes all datasets."""
    place.mkdir()
    cars = make_cars(place, images=3, objects=2, seed=0)
    versions = [write_version(dataset, place / "versions") for dataset in (cars, move(cars, 1))]
    return measure(fo, place, versions)


def _by_number(review: Review) -> list[Image]:
    red = {image.sha256: PillowImage.open(review.store.path(image.file_name)) for image in review.dataset.images}
    return sorted(review.dataset.images, key=lambda image: red[image.sha256].getpixel((0, 0)))


def _reviewed(fo: Any, dataset: Any, review: Review, sha256s: dict[int, str]) -> dict[str, Any]:
    """What a reviewer tags, and what is left of it after a sync that changes the same images."""
    later = changed(review)
    other, moved = (image.sha256 for image in later.dataset.images[:2])
    for sha256, tags in ((other, ["exclude", "note:too dark", "quality:2"]), (moved, ["relabel"])):
        sample = dataset.one(fo.ViewField("sha256") == sha256)
        sample.tags.extend(tags)
        for label in sample.whole_image.classifications:
            label.tags.append("note:look at the tag")
        sample.save()
    synced = counts(sync(fo, "cars", later))
    dataset.reload()
    shown = read_shown(dataset)
    sample = dataset.one(fo.ViewField("sha256") == other)
    sample.tags.append("exlude")
    sample.save()
    unknown = told_by(lambda: read_shown(dataset))
    ignored = read_shown(dataset, ignored=["exlude"]) == shown
    sample.tags = ["quality:7"]
    sample.save()
    fo.Dataset("foreign").add_sample(fo.Sample(filepath="/a.png"))
    return {
        "later": synced,
        "family": sample.family,
        "marks": [shown[other].marks, shown[other].quality, shown[other].notes, shown[moved].marks],
        "kept_gold": shown[sha256s[8]].marks if sha256s[8] in shown else "gone",
        "label_tags": dataset.one(fo.ViewField("sha256") == moved).whole_image.classifications[0].tags,
        "unknown": unknown,
        "ignored": ignored,
        "bad_quality": told_by(lambda: read_shown(dataset)),
        "foreign": told_by(lambda: sync(fo, "foreign", review)),
        "absent": told_by(lambda: load_review(fo, "absent")),
    }


def _twice_shown(fo: Any, path: Path, review: Review) -> dict[str, Any]:
    """Two datasets of the same images, of which one is reviewed, and then syncs that would lose what was not read."""
    first, second = (image.sha256 for image in review.dataset.images[:2])
    none = Review(review.dataset, review.store)
    for name in ("one", "other"):
        sync(fo, name, none)
    one, other = (load_review(fo, name) for name in ("one", "other"))
    seen: dict[str, Any] = {"turns": []}
    tag_image(fo, one, first, ["exclude", "quality:5"])
    tag_image(fo, other, first, ["relabel"])
    for dataset in (one, other, one, other):
        seen["turns"].append(msgspec.to_builtins(take_back(dataset, path)[1][first]))
    tag_image(fo, one, first, [])
    seen["taken_off"] = msgspec.to_builtins(take_back(one, path)[1][first])

    tag_image(fo, one, first, ["look here"])
    take_back(one, path, ignored=["look here"])
    seen["read"] = counts(sync(fo, "one", without(none, first)))
    (label,) = one.one(fo.ViewField("sha256") == second).ground_truth.detections
    sample = one.one(fo.ViewField("sha256") == second)
    sample.ground_truth.detections[0].tags = ["relabel"]
    sample.save()
    seen["unread"] = told_by(lambda: sync(fo, "one", without(none, first, second)))
    moved = [replace(a, bbox_xywh=(0, 0, 5, 5)) for a in review.dataset.annotations if a.sha256 != first]
    images = [image for image in review.dataset.images if image.sha256 != first]
    seen["moved"] = counts(sync(fo, "one", Review(make_dataset(TAXONOMY, images, moved), review.store)))
    one.reload()
    seen["still_unread"] = list(read_shown(one)[second].marks)
    seen["is_other"] = one.one(fo.ViewField("sha256") == second).ground_truth.detections[0].id != label.id
    tag_image(fo, one, second, ["exlude"])
    seen["mistyped"] = told_by(lambda: sync(fo, "one", without(none, first, second)))
    return seen


def tag_image(fo: Any, dataset: Any, sha256: str, tags: list[str]) -> None:
    """Give an image these tags in place of all others."""
    sample = dataset.one(fo.ViewField("sha256") == sha256)
    sample.tags = tags
    sample.save()


def without(review: Review, *sha256s: str) -> Review:
    left = [image.sha256 for image in review.dataset.images if image.sha256 not in sha256s]
    return Review(review.dataset.only(left), review.store)


if __name__ == "__main__":
    print(json.dumps(main(Path(sys.argv[1]), sys.argv[2]), default=str))
