"""How fast many images are scraped with everything on, beside a bare client and img2dataset, all in turns.

    python -m benchmarks.scrape_speed --photographs DIR [--images 5000] [--repeat 3] [--img2dataset PYTHON] [--json]
    python -m benchmarks.scrape_speed --photographs DIR --growth [--addresses 200000]

A local nginx serves real JPEGs, made different from each other by some bytes at their end. Every run is a process of
its own with an empty folder; the ratios are of runs in the same turn. Bare aiohttp reads 64 bodies at once to their end
and drops them. With `--growth`, the memory of 5,000 and of 200,000 addresses is compared, served as the same
photographs under as many names. img2dataset lives in an environment of its own (with rich), whose Python is given;
without, it is left out.

What was stored stays until the end: a file system without a journal makes new files slowly just after it has lost
thousands, and the run that comes next would pay for that. In memory it is the other way round: a virtual machine pays
for each page that was never used before, so there `--remove` takes away what a run stored when it ends.
"""

import csv
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import click

from benchmarks.turns import Figures, measure_in_turns, ratio, run_child, summarise
from datasets.processes import listen

MODULE = "benchmarks.scrape_peer"
TARGETS = {"of_aiohttp": 0.7, "times_img2dataset": 3.0, "growth": 1.3}
_CONF = """
worker_processes 1; daemon off; pid {folder}/pid; error_log {folder}/errors;
events {{ worker_connections 512; }}
http {{
  access_log off; sendfile on; tcp_nopush on; keepalive_requests 1000000; types {{ image/jpeg jpg; }}
  client_body_temp_path {folder}; proxy_temp_path {folder}; fastcgi_temp_path {folder};
  uwsgi_temp_path {folder}; scgi_temp_path {folder};
  server {{ listen {address}; root {site}; rewrite ^/again/[0-9]+/(.*)$ /$1 last; }}
}}
"""


@contextmanager
def nginx(site: Path, folder: Path) -> Iterator[str]:
    """Serve a folder from a port of this machine; gives its host:port."""
    with listen("127.0.0.1", 0) as free:
        address = f"127.0.0.1:{free.getsockname()[1]}"
    folder.mkdir(parents=True)
    configuration = folder / "nginx.conf"
    configuration.write_text(_CONF.format(folder=folder, address=address, site=site))
    process = subprocess.Popen([shutil.which("nginx") or "nginx", "-c", str(configuration)], stderr=subprocess.DEVNULL)
    try:
        _wait_for(f"http://{address}/0.jpg")
        yield address
    finally:
        process.terminate()
        process.wait()


def _wait_for(url: str, *, seconds: float = 10.0) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        with suppress(OSError), urlopen(url):
            return
        time.sleep(0.05)
    raise click.ClickException(f"{url} is not served; is nginx installed?")


def write_site(photographs: Path, site: Path, images: int) -> None:
    """So many different images, of the photographs in turn."""
    found = sorted(photographs.rglob("*.jpg"))
    if not found:
        raise click.ClickException(f"{photographs} has no .jpg files; give a folder of photographs")
    site.mkdir(parents=True)
    for number in range(images):
        (site / f"{number}.jpg").write_bytes(found[number % len(found)].read_bytes() + number.to_bytes(8, "big"))


def write_list(path: Path, address: str, *, images: int, addresses: int) -> Path:
    """A list of addresses; those beyond the number of images name the same ones again."""
    with path.open("w", newline="") as handle:
        writer = csv.writer(handle)
        writer.writerow(("url", "license"))
        for number in range(addresses):
            again, image = divmod(number, images)
            writer.writerow((f"http://{address}/" + (f"again/{again}/" if again else "") + f"{image}.jpg", "CC0 1.0"))
    return path


def run_peer(
    name: str, addresses: Path, folder: Path, server: str, python: str = sys.executable, *, removes: bool = False
) -> Figures:
    """One run with an empty folder. Raises RuntimeError when it fails."""
    out = Path(tempfile.mkdtemp(dir=folder))
    figures = run_child(MODULE, [name, str(addresses), str(out / "out"), server], python=python)
    if removes:
        shutil.rmtree(out)
    return figures


@click.command(help=__doc__)
@click.option("--photographs", required=True, type=click.Path(exists=True, path_type=Path), help="Folder of JPEGs.")
@click.option("--images", type=click.IntRange(min=1), default=5000, show_default=True, help="To be served.")
@click.option("--repeat", type=click.IntRange(min=1), default=3, show_default=True, help="Runs of each peer.")
@click.option("--img2dataset", "python", help="Python of the environment that has img2dataset.")
@click.option("--folder", type=click.Path(path_type=Path), help="Where to write; else a temporary folder.")
@click.option("--remove", "removes", is_flag=True, help="Remove what a run stored when it ends.")
@click.option("--growth", is_flag=True, help="Carloop's memory with 5,000 and with many addresses.")
@click.option("--addresses", type=click.IntRange(min=1), default=200_000, show_default=True, help="So many.")
@click.option("--json", "as_json", is_flag=True, help="Print the figures as JSON.")
def main(
    photographs: Path,
    images: int,
    repeat: int,
    python: str | None,
    folder: Path | None,
    removes: bool,
    growth: bool,
    addresses: int,
    as_json: bool,
) -> None:
    from pipelines.output import show

    with tempfile.TemporaryDirectory(dir=folder) as name:
        work = Path(name)
        Path(name).chmod(0o755)  # nginx's worker may be another user
        write_site(photographs, work / "site", images)
        with nginx(work / "site", work / "nginx") as server:
            if growth:
                told = _grow(work, server, images, addresses)
            else:
                told = _compare(work, server, images, repeat, python, removes=removes)
    show(told, as_json=as_json)
    sys.exit(0 if told["is_met"] else 1)


def _compare(work: Path, server: str, images: int, repeat: int, python: str | None, *, removes: bool) -> dict[str, Any]:
    addresses = write_list(work / "list.csv", server, images=images, addresses=images)
    pythons = dict.fromkeys(("aiohttp", "carloop", "carloop-apart"), sys.executable)
    if python:
        pythons["img2dataset"] = python
    jobs = {
        name: partial(run_peer, name, addresses, work, server, its, removes=removes) for name, its in pythons.items()
    }
    runs = measure_in_turns(jobs, repeat=repeat)
    for name, figures in runs.items():
        if any(not _is_whole(run, images) for run in figures):
            raise click.ClickException(f"{name} did not bring all {images} images: {figures}")
    best = min(("carloop", "carloop-apart"), key=lambda name: summarise(runs[name])["seconds"])
    of_aiohttp = _inverse(ratio(runs[best], runs["aiohttp"]))
    times = ratio(runs["img2dataset"], runs[best]) if python else None
    return {
        "images": images,
        "images_per_second": {name: _rates(figures, images) for name, figures in runs.items()},
        "cpu_ms_per_image": {
            name: round(1000 * summarise(figures)["cpu_seconds"] / images, 2) for name, figures in runs.items()
        },
        "peak_gib": {name: round(summarise(figures)["peak_gib"], 3) for name, figures in runs.items()},
        "of_aiohttp": of_aiohttp,
        "times_img2dataset": times,
        "is_met": of_aiohttp["median"] >= TARGETS["of_aiohttp"]
        and (times is None or times["median"] >= TARGETS["times_img2dataset"]),
    }


def _is_whole(run: Figures, images: int) -> bool:
    """Whether all images came; Carloop tells of each what became of it."""
    return (run["images"], run.get("fates", {"stored": images})) == (images, {"stored": images})


def _rates(figures: Sequence[Figures], images: int) -> str:
    told = summarise(figures)
    return f"{images / told['seconds']:.0f} ({images / told['slowest']:.0f}–{images / told['fastest']:.0f})"


def _inverse(times: dict[str, float]) -> dict[str, float]:
    return {
        "median": round(1 / times["median"], 3),
        "least": round(1 / times["greatest"], 3),
        "greatest": round(1 / times["least"], 3),
    }


def _grow(work: Path, server: str, images: int, most: int) -> dict[str, Any]:
    peaks: dict[str, dict[int, float]] = {}
    for name in ("carloop", "carloop-apart"):
        peaks[name] = {}
        for number in (5_000, most):
            addresses = write_list(work / f"list-{number}.csv", server, images=images, addresses=number)
            figures = run_peer(name, addresses, work, server)
            if figures["images"] != number or figures["fates"].keys() - {"stored", "duplicate"}:
                raise click.ClickException(f"{name} did not bring all {number} images: {figures}")
            peaks[name][number] = round(figures["peak_gib"], 4)
    growth = {name: round(of[most] / of[5_000], 3) for name, of in peaks.items()}
    return {"peak_gib": peaks, "growth": growth, "is_met": max(growth.values()) <= TARGETS["growth"]}


if __name__ == "__main__":
    main()
