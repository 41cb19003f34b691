"""Dataset versions: folders named by the digest of their canonical content.

`annotations.json` is COCO; `manifest.json`, written last, has the digest, parents and counts. The digest covers images,
annotations, tags, taxonomy and licences; times, addresses, parents and the ids of origins don't count.
"""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from datasets.coco import Annotation, Dataset, Image, read_coco, write_coco
from datasets.errors import BadDataset
from datasets.files import MANIFEST, digest, is_complete, new_folder, read_json, write_json
from datasets.taxonomy import Taxonomy

COORDINATE_DECIMALS = 2


def version_digest(dataset: Dataset) -> str:
    """SHA-256 of the canonical content, coordinates to 0.01 px, as 64 hex digits."""
    return digest(
        {
            "taxonomy": [[category.name, category.kind] for category in dataset.taxonomy.categories],
            "images": sorted(_canonical_image(image) for image in dataset.images),
            "annotations": sorted(_canonical_annotation(annotation) for annotation in dataset.annotations),
        }
    )


def _canonical_image(image: Image) -> list[Any]:
    tags = sorted([tag.category_id, sorted(tag.attributes.items())] for tag in image.tags)
    known = [sorted(image.neg_category_ids), sorted(image.not_exhaustive_category_ids)]
    return [image.sha256, image.family, image.split or "", image.source.license or "", tags, known]


def _canonical_annotation(annotation: Annotation) -> list[Any]:
    bbox = [round(float(value), COORDINATE_DECIMALS) + 0.0 for value in annotation.bbox_xywh]  # no -0.0
    attributes = sorted(annotation.attributes.items())
    return [annotation.sha256, annotation.category_id, bbox, annotation.source, attributes]


def write_version(dataset: Dataset, versions: Path, *, parents: Sequence[str] = ()) -> str:
    """Write the dataset as `versions/<digest>` unless it is there, and return the digest."""
    name = version_digest(dataset)
    if not is_complete(versions / name):
        with new_folder(versions / name) as folder:
            write_coco(dataset, folder / "annotations.json")
            write_json(folder / MANIFEST, {"digest": name, "parents": sorted(parents), **counts(dataset)})
    return name


def read_version(versions: Path, name: str, taxonomy: Taxonomy) -> Dataset:
    """The dataset of that digest. Raises BadDataset when it is absent or incomplete or was changed."""
    folder = versions / name
    if not is_complete(folder):
        raise BadDataset(f"{folder} is not a complete dataset version; make it again")
    dataset = read_coco(folder / "annotations.json", taxonomy)
    if version_digest(dataset) != name:
        raise BadDataset(f"{folder}/annotations.json was changed after it was written; make the version again")
    return dataset


def read_manifest(versions: Path, name: str) -> dict[str, Any]:
    """The digest, parents and counts of a version."""
    manifest: dict[str, Any] = read_json(versions / name / MANIFEST)
    return manifest


def counts(dataset: Dataset) -> dict[str, Any]:
    """Images, annotations, objects by class, images by tag, licences."""
    objects = Counter(dataset.taxonomy.name(annotation.category_id) for annotation in dataset.annotations)
    tags = Counter(dataset.taxonomy.name(tag.category_id) for image in dataset.images for tag in image.tags)
    licenses = Counter(image.source.license or "unknown" for image in dataset.images)
    return {
        "images": len(dataset.images),
        "annotations": len(dataset.annotations),
        "categories": dict(objects),
        "tags": dict(tags),
        "licenses": dict(licenses),
    }
