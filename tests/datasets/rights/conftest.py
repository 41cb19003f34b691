"""Images of several sources, with copies, derived images and near-duplicates."""

from typing import Any

import pytest

from datasets.coco import Annotation, Copy, Dataset, Image, Origin, Provenance, View, make_dataset
from datasets.taxonomy import Taxonomy


def sha(letter: str) -> str:
    return letter * 64


def image(letter: str, **fields: Any) -> Image:
    file_name = f"images/{letter * 2}/{letter * 64}.jpg"
    return Image(
        **{"sha256": sha(letter), "file_name": file_name, "width": 64, "height": 48, "family": "car", **fields}
    )


def view(source: str, **provenance: str) -> View:
    return View(source, "a.jpg", "car", provenance=Provenance(**provenance))


@pytest.fixture
def dataset(taxonomy: Taxonomy) -> Dataset:
    """a: of two sources, with a copy d; b: derived from a; c: near a; e: of its own."""
    images = [
        image(
            "a",
            views=(
                view("roboflow", license="CC BY 4.0", author="Ann Lee", url="https://A.example/1.jpg#top"),
                view("cvat", license="CC0-1.0", page_url="https://b.example/cars/"),
            ),
            copies=(Copy(sha("d"), "images/dd/d.jpg", 32, 24),),
            near=(sha("c"),),
        ),
        image("b", derived_from=sha("a"), source=Provenance(license="CC-BY-4.0")),
        image("c", near=(sha("a"),), views=(view("roboflow", license="CC BY 4.0", author="Bo"),)),
        image("e", source=Provenance(author="ann  lee", url="https://a.example/zip")),
    ]
    annotations = [
        Annotation(sha(letter), 2, (1.0, 2.0, 10.0, 12.0), origins=tuple(Origin(name, "1") for name in names))
        for letter, names in (("a", ("cvat", "roboflow")), ("b", ("cvat",)), ("c", ("roboflow",)), ("e", ("cvat",)))
    ]
    return make_dataset(taxonomy, images, annotations)
