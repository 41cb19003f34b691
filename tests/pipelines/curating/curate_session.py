"""The `carloop curate` commands, one after another, in a process of its own: FiftyOne is one per process.

Called with a home that has the version `cars`; prints what the commands told as JSON.
"""

import json
import sys
from contextlib import closing
from pathlib import Path
from typing import Any, cast

import numpy as np
from click.testing import CliRunner
from cvat_sdk import Client
from rich.console import Console

from datasets.coco import to_records
from datasets.decisions import read_decisions
from datasets.ledger import Ledger
from datasets.records import parse_bbox, write_records
from pipelines.annotation.desk import Desk
from pipelines.curating.accepted import show_accepted
from pipelines.curating.cli import curate
from pipelines.curating.place import opened
from pipelines.curating.rounds import decisions_of_run
from pipelines.progress import Progress
from pipelines.project import Project
from pipelines.runs import make_run
from pipelines.shelf import Shelf
from tests.pipelines.selecting.conftest import publish_models


def ask(home: Path, *arguments: str) -> Any:
    """What a command prints as JSON, or the sentence that it ends with."""
    done = CliRunner().invoke(curate, [*arguments, "--home", str(home), "--json"])
    return json.loads(done.stdout) if done.exit_code == 0 else str(done.exception)


def write_predictions(home: Path) -> tuple[Path, Path]:
    """COCO's results of a champion that sees half of what is there, and a dataset by a challenger that sees all."""
    content = Shelf(home).read_content("cars")
    results = [
        {"image_id": a.image_id, "category_id": a.category_id, "bbox": list(parse_bbox(a.bbox)), "score": 0.9}
        for a in content.annotations[::2]
    ]
    champion, challenger = home / "champion.json", home / "challenger.json"
    champion.write_text(json.dumps(results))
    write_records(to_records(Shelf(home).read("cars")), challenger)
    return champion, challenger


def shown_accepted(home: Path, fo: Any) -> dict[str, Any]:
    """What FiftyOne has of a version as a home's pull leaves it, after it was shown twice."""
    shelf = Shelf(home)
    shelf.write_name("cars-accepted", shelf.find("cars").name)
    with closing(Ledger(f"sqlite:///{home}/ledger.sqlite", "a server cars")) as ledger:
        desk = Desk(Project(name="cars"), shelf, ledger, cast(Client, None), Progress(Console(stderr=True)))
        for _ in range(2):
            show_accepted(desk, home, "cars-accepted")
    dataset = fo.load_dataset("cars-accepted")
    return {"images": len(dataset), "versions": dataset.info["versions"]}


def narrowed(home: Path, fo: Any, sha256: str) -> dict[str, Any]:
    """A dataset that is to show less, before and after what reviewers said of the rest was read."""
    dataset = fo.load_dataset("other")
    sample = dataset.one(fo.ViewField("sha256") == sha256)
    sample.notes = "dusk"
    sample.save()
    refused, left = ask(home, "sync", "cars-gold", "--name", "other"), len(dataset)
    ask(home, "read", "other")
    told = ask(home, "sync", "cars-gold", "--name", "other")
    noted = read_decisions(Shelf(home).decisions)[sha256].notes
    return {"refused": refused, "left": left, "told": told, "noted": noted}


def taken_off(home: Path, fo: Any, sha256: str) -> dict[str, Any]:
    """The names after every mark of an image was taken off, of which one was made by hand."""
    sample = fo.load_dataset("cars").one(fo.ViewField("sha256") == sha256)
    sample.tags = []
    sample.save()
    shelf = Shelf(home)
    before = shelf.names()
    told = ask(home, "read", "cars")
    gone = sorted(before.keys() - shelf.names().keys())
    shelf.write_name("cars-gold", shelf.find("cars").name)
    ask(home, "read", "cars")
    return {"told": told, "gone": gone, "by_hand": "cars-gold" in shelf.names()}


def main(home: Path) -> dict[str, Any]:
    shelf = Shelf(home)
    images = shelf.read("cars").images
    trained = [image for image in images if image.split == "train"]
    excluded, gold = trained[0], next(image for image in trained if image.family != trained[0].family)
    champion, challenger = write_predictions(home)
    predictions = ["--champion", str(champion), "--challenger", str(challenger)]
    np.savez(
        home / "embeddings.npz",
        sha256s=[image.sha256 for image in images],
        embeddings=np.random.default_rng(0).normal(size=(len(images), 8)),
    )
    (home / "broken.npz").write_text("no arrays")
    with opened(home) as fo:
        told: dict[str, Any] = {"images": len(images), "sync": ask(home, "sync", "cars", *predictions)}
        told["again"] = ask(home, "sync", "cars", *predictions)
        told["views"] = ask(home, "views", "cars")
        told["without_predictions"] = ask(home, "sync", "cars")
        told["brain"] = ask(home, "brain", "cars", "--embeddings", str(home / "embeddings.npz"))
        publish_models(home / "bundles", home)
        told["embedded"] = ask(home, "brain", "cars")
        told["embedded_again"] = ask(home, "brain", "cars", "--bundle", "cleanliness_classifier@champion")
        told["broken"] = ask(home, "brain", "cars", "--embeddings", str(home / "broken.npz"))
        told["other"] = ask(home, "sync", "cars", "--name", "other")
        dataset = fo.load_dataset("cars")
        for image, tags in ((excluded, ["exclude", "note:blurred"]), (gold, ["gold", "relabel", "quality:5"])):
            sample = dataset.one(fo.ViewField("sha256") == image.sha256)
            sample.tags.extend(tags)
            sample.save()
        run = make_run(home / "runs" / "cars", Project(), key="cars")
        told["of_run"] = {sha256: list(one.marks) for sha256, one in decisions_of_run(run, fo).items()}
        told["read"], first = ask(home, "read", "cars"), read_decisions(shelf.decisions)
        told["read_again"] = ask(home, "read", "cars")
        told["same_decisions"] = read_decisions(shelf.decisions) == first
        told["read_other"] = ask(home, "read", "other")
        told["same_after_other"] = read_decisions(shelf.decisions) == first
        told["next"] = ask(home, "sync", "cars-curated", "--name", "cars")
        told["read_next"] = ask(home, "read", "cars")
        told["decisions"] = {sha256: list(one.marks) for sha256, one in read_decisions(shelf.decisions).items()}
        told["accepted"] = shown_accepted(home, fo)
        told["parts"] = {
            mark: [image.sha256 for image in shelf.read(f"cars-{mark}").images] for mark in ("relabel", "gold")
        }
        told["narrowed"] = narrowed(home, fo, trained[-1].sha256)
        curated = shelf.read("cars-curated")
        told["taken_off"] = taken_off(home, fo, gold.sha256)
    families = {image.family for image in curated.images if image.split == "train"}
    return {
        **told,
        "excluded": excluded.sha256,
        "gold": gold.sha256,
        "is_left_out": excluded.sha256 not in curated.by_sha256,
        "gold_is_trained_on": gold.family in families,
        "address_left": (home / "mongodb" / "address").exists(),
    }


if __name__ == "__main__":
    print(json.dumps(main(Path(sys.argv[1]))))
