"""Several workers on one catalogue."""

import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from datasets.errors import Unavailable
from pipelines.project import parse_project
from pipelines.scraping.cli import scrape
from pipelines.scraping.sharding import Shard
from pipelines.scraping.workers import Order, scrape_sharded
from scrapers.sources.settings import ListingRecipe

COMMAND = (sys.executable, "-c", "from pipelines.scraping.cli import scrape; scrape()")


@pytest.fixture
def hosts(make_site: Callable[[], Any]) -> tuple[Any, Any]:
    """Two hosts that belong to different workers of two."""
    first = make_site()
    for _ in range(20):
        other = make_site()
        if Shard(1, 2).owns(first.url("/")) != Shard(1, 2).owns(other.url("/")):
            return first, other
    raise AssertionError("twenty hosts belong to one worker")


def test_workers_leave_nothing_over_and_tell_together_what_one_would_have_told(
    hosts: tuple[Any, Any], photograph: Callable[[int], bytes], tmp_path: Path
) -> None:
    pages, _ = hosts
    urls = [
        host.publish(f"/{number}.png", photograph(10 * number + place), content_type="image/png")
        for number in range(5)
        for place, host in enumerate(hosts)
    ]
    pages.publish("/", "".join(f'<img src="{url}">' for url in urls))
    project = parse_project(
        {
            "fetch": {"allow_private": [host.address for host in hosts]},
            "scrape": {"licences": {"allowed": ["*"]}, "relevance": {"min_side": 8, "same_below": 0}},
        },
        where="this test",
    )
    recipe = ListingRecipe(name="cars", start_urls=(pages.url("/"),))
    with ThreadPoolExecutor(2) as executor:
        order = Order(project, tmp_path / "home")
        (report,) = scrape_sharded(executor, order, [recipe], workers=2)
        (again,) = scrape_sharded(executor, order, [recipe], workers=2)
    assert (report.pages, report.found, report.fates, report.stale) == (1, 10, {"stored": 10}, ())
    assert (again.found, again.known, again.fates) == (10, 5, {})
    for host in hosts:
        asked = [path for path in host.asked() if path.endswith(".png")]
        assert sorted(asked) == sorted({path for path in urls_of(host, urls)})


def urls_of(host: Any, urls: list[str]) -> set[str]:
    return {url.removeprefix(host.url("")) for url in urls if url.startswith(host.url("/"))}


def test_dask_that_is_not_installed_and_workers_of_shards_are_told(tmp_path: Path) -> None:
    recipe = tmp_path / "cars.yaml"
    recipe.write_text("{kind: listing, name: cars, start_urls: ['http://cars.example/']}")
    given = ["run", str(recipe), "--home", str(tmp_path), "--workers", "2"]
    assert "leave out --shard and --dry-run" in CliRunner().invoke(scrape, [*given, "--shard", "1/2"]).stderr
    if find_spec("distributed") is None:
        with pytest.raises(Unavailable, match="--dask needs the library distributed"):
            CliRunner().invoke(scrape, [*given, "--dask", "local"], catch_exceptions=False)


def test_two_workers_share_a_source_and_each_host_meets_only_one_of_them(
    hosts: tuple[Any, Any], photograph: Callable[[int], bytes], tmp_path: Path
) -> None:
    pages, images = hosts
    urls = [
        host.publish(f"/{number}.png", photograph(10 * number + place), content_type="image/png")
        for number in range(10)
        for place, host in enumerate(hosts)
    ]
    pages.publish("/", "".join(f'<img src="{url}">' for url in urls))
    recipe = {"kind": "listing", "name": "cars", "start_urls": [pages.url("/")]}
    for worker in (1, 2):
        fetch = {
            "allow_private": [host.address for host in hosts],
            "user_agent": f"worker-{worker}/1 (+mailto:a@b.example)",
        }
        scrape = {"sources": [recipe], "licences": {"allowed": ["*"]}, "relevance": {"min_side": 8, "same_below": 0}}
        (tmp_path / f"{worker}.yaml").write_text(yaml.safe_dump({"fetch": fetch, "scrape": scrape}))

    def start(worker: int) -> subprocess.Popen[bytes]:
        project = ["--project", str(tmp_path / f"{worker}.yaml"), "--home", str(tmp_path / "home")]
        return subprocess.Popen([*COMMAND, "run", "--shard", f"{worker}/2", "--json", *project], stderr=subprocess.PIPE)

    for process in [start(worker) for worker in (1, 2)]:
        assert process.wait() == 0, process.stderr.read().decode()  # type: ignore[union-attr]
        process.stderr.close()  # type: ignore[union-attr]
    owner_of_images = 1 if Shard(1, 2).owns(images.url("/")) else 2
    if len(images.asked()) < 10:  # it had ended before the pages' worker had found them
        last = start(owner_of_images)
        assert last.wait() == 0
        last.stderr.close()  # type: ignore[union-attr]
    for host in hosts:
        assert len({agent for _, _, agent in host.requests}) == 1
        asked = [path for path in host.asked() if path.endswith(".png")]
        assert sorted(asked) == sorted(set(asked))
    assert len([path for host in hosts for path in host.asked() if path.endswith(".png")]) == 20
    assert len(list((tmp_path / "home").glob("datasets/store/images/*/*.png"))) == 20
    assert {agent for host in hosts for _, _, agent in host.requests} == {
        f"worker-{worker}/1 (+mailto:a@b.example)" for worker in (1, 2)
    }
