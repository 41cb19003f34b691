"""Hostile COCO files against validation and repair: each must end in findings or in one sentence, fast and small.

    python -m benchmarks.fuzz_coco [--count 2000] [--seed 0] [--seconds 20] [--gibibytes 1] [--json]

The files are checked in child processes, whose address space may grow by `--gibibytes` and which the system ends when a
file takes longer than `--seconds`. What a repair writes is loaded by pycocotools, its shapes are drawn where nothing is
left to mend, and it is repaired again, which must change nothing.
"""

import contextlib
import io
import json
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import click
import numpy as np
from PIL import Image as PillowImage

from benchmarks.hostile import hostile_file
from datasets.errors import CarloopError
from datasets.validation.codes import CODES
from datasets.validation.repair import repair_dataset
from datasets.validation.report import Report, render, to_json
from datasets.validation.validate import validate_dataset

_MOST_DRAWN = 4096


class Broken(Exception):
    """A promise that a hostile file broke."""


@click.command()
@click.option("--count", type=click.IntRange(min=1), default=2000, show_default=True, help="How many files.")
@click.option("--seed", default=0, show_default=True, help="The first file's seed; each next one is one more.")
@click.option("--seconds", default=20, show_default=True, help="Time limit for a file.")
@click.option("--gibibytes", default=1.0, show_default=True, help="Memory that the process may take beyond its start.")
@click.option("--child", is_flag=True, hidden=True)
@click.option("--json", "as_json", is_flag=True, help="Print the figures as JSON.")
def main(count: int, seed: int, seconds: int, gibibytes: float, child: bool, as_json: bool) -> None:
    """Check that hostile COCO files end in findings or in one sentence."""
    if child:
        run_child(count=count, seed=seed, seconds=seconds, gibibytes=gibibytes)
        return
    figures = run(count=count, seed=seed, seconds=seconds, gibibytes=gibibytes)
    click.echo(json.dumps(figures, indent=2) if as_json else _sentence(figures))
    sys.exit(1 if figures["broken"] else 0)


def run(*, count: int, seed: int, seconds: int, gibibytes: float) -> dict[str, Any]:
    """Check files in child processes; a child that dies is told with the seed it died of, and another goes on."""
    outcomes: Counter[str] = Counter()
    codes: Counter[str] = Counter()
    broken, slowest, peak_mib, following = list[str](), 0.0, 0.0, seed
    while following < seed + count:
        remaining = seed + count - following
        command = [sys.executable, "-m", "benchmarks.fuzz_coco", "--child", "--count", str(remaining)]
        command += ["--seed", str(following), "--seconds", str(seconds), "--gibibytes", str(gibibytes)]
        done = subprocess.run(command, capture_output=True, text=True)
        for line in map(json.loads, done.stdout.splitlines()):
            following = line["seed"] + 1
            outcomes[line["outcome"]] += 1
            codes.update(line["codes"])
            slowest, peak_mib = max(slowest, line["seconds"]), max(peak_mib, line["peak_mib"])
            broken += [f"seed {line['seed']}: {line['broken']}"] if line["broken"] else []
        if following < seed + count:
            broken.append(f"seed {following}: the process ended with {done.returncode}: {done.stderr.strip()[-200:]}")
            following += 1
    return {
        "files": count,
        "outcomes": dict(outcomes),
        "codes_met": len(codes),
        "codes_not_met": sorted(set(CODES) - set(codes)),
        "slowest_seconds": slowest,
        "peak_mib": peak_mib,
        "broken": broken,
    }


def run_child(*, count: int, seed: int, seconds: int, gibibytes: float) -> None:
    """Check files one after another under limits, a line of JSON each."""
    with tempfile.TemporaryDirectory() as folder:
        write_images(Path(folder))
        try_file(hostile_file(-1), Path(folder))  # imports what is imported late
        limit = _address_space() + int(gibibytes * 2**30)
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
        for number in range(seed, seed + count):
            content = hostile_file(number)
            signal.alarm(seconds)
            started, problem = time.perf_counter(), ""
            outcome, report = "broken", None
            try:
                outcome, report = try_file(content, Path(folder))
            except Exception as error:  # any exception is what this looks for
                problem = f"{type(error).__name__}: {error}"
            signal.alarm(0)
            figures = {
                "seed": number,
                "outcome": outcome,
                "broken": problem,
                "codes": list(report.counts) if report else [],
                "seconds": time.perf_counter() - started,
                "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
            }
            print(json.dumps(figures), flush=True)


def _address_space() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    return pages * resource.getpagesize()


def write_images(folder: Path) -> None:
    """The two photographs of the sound document, one cut short, and a link that leads out."""
    for name, number in (("7_front.jpg", 7), ("8_rear.jpg", 8)):
        pixels = np.random.default_rng(number).integers(0, 255, (48, 64, 3), dtype=np.uint8)
        PillowImage.fromarray(pixels).save(folder / name)
    (folder / "cut.jpg").write_bytes((folder / "7_front.jpg").read_bytes()[:700])
    (folder / "link.jpg").symlink_to("/etc/hostname")


def try_file(content: bytes, folder: Path) -> tuple[str, Report | None]:
    """Validate and repair one file, in a folder with the images: what came of it, and the findings.

    Raises:
        Broken: a repair left what it claims to mend, or was not done after one pass.
        Exception: anything else that a hostile file broke.
    """
    path, out = folder / "annotations.json", folder / "out"
    path.write_bytes(content)
    try:
        report = validate_dataset(path)
    except CarloopError as error:
        if "\n" in str(error):
            raise Broken(f"more than a sentence: {error}") from error
        return "refused", None
    to_json(report)
    render(report)
    try:
        repaired = repair_dataset(path, out)
    except CarloopError as error:
        if not report.count("error") and "nested" not in str(error):
            raise Broken(f"validated without errors, but cannot be repaired: {error}") from error
        return "found, not repairable", report
    left = [code for code in repaired.counts if CODES[code].mends == "yes"]
    if left:
        raise Broken(f"repair left {left}")
    _load(out / "annotations.json", draw=not repaired.count("error") and not repaired.counts.get("polygon-outside"))
    path.write_bytes((out / "annotations.json").read_bytes())
    _repair_again(path, out, repaired)
    return ("found and repaired" if repaired.repairs else "found" if report.counts else "clean"), report


def _load(path: Path, *, draw: bool) -> None:
    from pycocotools.coco import COCO

    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO(str(path))
    for annotation in coco.anns.values() if draw else ():
        image = coco.imgs[annotation["image_id"]]
        if image["width"] <= _MOST_DRAWN and image["height"] <= _MOST_DRAWN and annotation.get("segmentation"):
            coco.annToMask(annotation)


def _repair_again(path: Path, out: Path, repaired: Report) -> None:
    second = repair_dataset(path, out)
    if second.repairs or (out / "annotations.json").read_bytes() != path.read_bytes():
        raise Broken(f"a second repair changed {[change.code for change in second.repairs] or 'the bytes'}")
    if second.counts != repaired.counts:
        raise Broken(f"a second look finds {second.counts}, the first found {repaired.counts}")


def _sentence(figures: dict[str, Any]) -> str:
    outcomes = ", ".join(f"{count} {outcome}" for outcome, count in sorted(figures["outcomes"].items()))
    told = (
        f"{figures['files']} files: {outcomes}; slowest {figures['slowest_seconds']:.2f} s, peak memory "
        f"{figures['peak_mib']:.0f} MiB; {figures['codes_met']} codes met; {len(figures['broken'])} broken promises"
    )
    return "\n".join([told, *figures["broken"][:40]])


if __name__ == "__main__":
    main()
