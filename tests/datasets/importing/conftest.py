"""Foreign folders made in a moment, and what importing them comes to."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from datasets.coco import Annotation, Image
from datasets.errors import CarloopError
from datasets.importing import Imported, ImportSettings, import_dataset
from datasets.store import ImageStore
from datasets.taxonomy import Taxonomy

Files = Mapping[str, Any]
Write = Callable[[Files], Path]
Import = Callable[..., Imported]


@pytest.fixture
def write(tmp_path: Path, photograph: Callable[..., bytes]) -> Write:
    """A folder `cars` with these files: bytes and text as they are, a number is a photograph, all else is JSON."""

    def write_files(files: Files) -> Path:
        root = tmp_path / "cars"
        root.mkdir(exist_ok=True)
        for name, content in files.items():
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if isinstance(content, int):
                content = photograph(content)
            elif not isinstance(content, bytes | str):
                content = json.dumps(content)
            path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return root

    return write_files


@pytest.fixture
def load(store: ImageStore, taxonomy: Taxonomy) -> Import:
    """Import a folder with these settings."""

    def import_it(root: Path, *, classes: Taxonomy = taxonomy, **settings: Any) -> Imported:
        return import_dataset(root, taxonomy=classes, store=store, settings=ImportSettings(**settings))

    return import_it


@pytest.fixture
def refusal(load: Import) -> Callable[..., str]:
    """What refuses a folder."""

    def told(root: Path, **settings: Any) -> str:
        with pytest.raises(CarloopError) as caught:
            load(root, **settings)
        return str(caught.value)

    return told


@pytest.fixture
def by_name() -> Callable[[Imported], dict[str, tuple[Image, list[Annotation]]]]:
    """Images and their annotations by the name that their source has for them."""

    def gather(imported: Imported) -> dict[str, tuple[Image, list[Annotation]]]:
        return {
            image.views[0].file_name: (image, dataset.annotations_of[image.sha256])
            for dataset in imported.datasets
            for image in dataset.images
        }

    return gather
