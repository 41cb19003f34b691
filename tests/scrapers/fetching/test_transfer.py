"""Many images at once: exactly one fate each, hosts at their own pace, and nothing asked for again after a kill."""

import errno
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest

from datasets.errors import BadDataset
from datasets.files import is_disk_full
from scrapers.fetching import bulk, spool
from scrapers.fetching.answers import Arrived, Outcome, Wanted
from scrapers.fetching.apart import Apart
from scrapers.fetching.bulk import transfer
from scrapers.fetching.fetcher import Fetcher
from scrapers.fetching.messages import Start, packed
from scrapers.fetching.settings import FetchSettings, HostSettings
from scrapers.fetching.visits import World
from tests.scrapers.misbehaving_site import photograph


@pytest.fixture
def settings(site: Any) -> FetchSettings:
    return FetchSettings(attempts=2, timeout_s=5, allow_private=(site.address,))


@pytest.fixture
def urls(site: Any) -> list[str]:
    """Thirty photographs."""
    return [site.publish(f"/{number}.jpg", photograph(number), content_type="image/jpeg") for number in range(30)]


def ignore(arrived: Arrived) -> None:
    """A sink that keeps nothing."""


@pytest.mark.parametrize("apart", [False, True])
def test_every_image_arrives_once_with_its_bytes(
    apart: bool, site: Any, urls: list[str], settings: FetchSettings
) -> None:
    kept: dict[str, bytes] = {}

    def keep(arrived: Arrived) -> None:
        kept[arrived.wanted.tag] = arrived.read()

    wanted = [Wanted(url, tag=number) for number, url in enumerate([*urls, "http://10.0.0.1/"])]
    fates = list(transfer(wanted, keep, settings=settings, apart=apart))
    assert kept == {number: photograph(number) for number in range(30)}
    assert sorted(fate.wanted.tag for fate in fates) == list(range(31))
    assert [fate.reason for fate in fates if fate.outcome is Outcome.REFUSED] == [
        "http://10.0.0.1/ is on a private network (10.0.0.1); if that is meant, name 10.0.0.1:80 under "
        "fetch: allow_private:"
    ]
    assert [path for path, _, _ in site.requests].count("/robots.txt") == 1


def test_what_the_sink_refuses_is_refused(urls: list[str], settings: FetchSettings) -> None:
    def refuse(arrived: Arrived) -> None:
        raise BadDataset("not today")

    (fate,) = transfer([Wanted(urls[0])], refuse, settings=settings)
    assert (fate.outcome, fate.reason) == (Outcome.REFUSED, "not today")


def test_a_failing_sink_ends_the_transfer(urls: list[str], settings: FetchSettings) -> None:
    def fail(arrived: Arrived) -> None:
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        list(transfer([Wanted(urls[0])], fail, settings=settings))


def test_a_full_disk_ends_the_transfer(
    urls: list[str], settings: FetchSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(path: str, content: bytes) -> None:
        raise OSError(errno.ENOSPC, "no space left")

    monkeypatch.setattr(spool, "_write", fail)
    with pytest.raises(OSError, match="no space left"):
        list(transfer(map(Wanted, urls), ignore, settings=settings))


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a full disk")
def test_a_disk_that_is_full_for_the_other_process_is_told_as_that(
    urls: list[str], settings: FetchSettings, tmp_path: Path
) -> None:
    for name in ("arrived.0", "arrived.1"):
        (tmp_path / name).symlink_to("/dev/full")
    with Apart(World(settings), tmp_path) as network:
        network.add([Wanted(urls[0])])
        with pytest.raises(OSError, match=str(tmp_path)) as caught:
            network.next()
    assert is_disk_full(caught.value)


def test_a_network_of_its_own_goes_on_at_the_pace_of_the_pages_before(
    urls: list[str], settings: FetchSettings, tmp_path: Path
) -> None:
    world = World(settings)
    pace = world.pace(world.target(urls[0]))
    pace.begin(time.monotonic())
    pace.end(time.monotonic(), took_s=0.1, is_trouble=True)
    assert msgspec.msgpack.decode(packed(Start(settings, world.paces))[4:], type=Start).paces == world.paces
    pace.gap_s = 1000.0
    with Apart(world, tmp_path) as network:
        network.add([Wanted(urls[0])])
        _, answer, _, _ = network.next()
    assert "asks for 1000 s between requests" in str(answer)


def test_the_network_gets_a_process_of_its_own_when_thousands_are_at_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: 2)
    many = (Wanted(f"http://cars.example/{number}.jpg") for number in range(5000))
    ahead, apart = bulk._look_ahead(many)
    assert (apart, len(ahead), next(many).url) == (True, 2048, "http://cars.example/2048.jpg")
    assert bulk._look_ahead(iter(ahead[:2047])) == (ahead[:2047], False)
    monkeypatch.setattr("os.cpu_count", lambda: 1)
    assert not bulk._look_ahead(iter(ahead))[1]


def test_a_host_is_named_with_its_port_or_for_all_its_ports() -> None:
    named = {"cars.example": HostSettings(at_once=2), "cars.example:80": HostSettings(at_once=3)}
    world = World(FetchSettings(hosts=named, public=HostSettings(at_once=5)))
    urls = ("https://cars.example/", "http://cars.example/", "http://vans.example/")
    assert [world.at_once(url) for url in urls] == [2, 3, 5]


def test_a_network_of_its_own_imports_little_so_that_it_starts_fast() -> None:
    told = "import sys, scrapers.fetching.serving; print(*sys.modules)"
    imported = subprocess.run([sys.executable, "-c", told], capture_output=True, text=True, check=True).stdout.split()
    assert not {"PIL", "pydantic", "requests", "sqlalchemy"} & set(imported)


def test_addresses_are_read_as_they_are_needed(site: Any, urls: list[str], settings: FetchSettings) -> None:
    taken = 0

    def endless() -> Iterator[Wanted]:
        nonlocal taken
        while True:
            taken += 1
            yield Wanted(urls[taken % 30])

    for number, _ in enumerate(transfer(endless(), ignore, settings=settings, apart=False)):
        if number == 100:
            break
    assert taken < 5000


def test_one_slow_host_holds_no_other(make_site: Callable[[], Any], urls: list[str], settings: FetchSettings) -> None:
    slow = make_site()
    slow.publish("/robots.txt", "User-agent: *\nCrawl-delay: 0.3\n")
    wanted = [Wanted(slow.publish("/1.jpg", photograph())), *map(Wanted, urls)]
    both = replace(settings, allow_private=(*settings.allow_private, slow.address))
    fates = list(transfer(wanted, ignore, settings=both))
    assert {fate.outcome for fate in fates} == {Outcome.STORED}
    assert fates[0].wanted != wanted[0]


def test_no_more_than_so_many_requests_are_open_at_a_host(site: Any, urls: list[str], settings: FetchSettings) -> None:
    one = replace(settings, private=HostSettings(at_once=1))
    assert [fate.wanted.url for fate in transfer(map(Wanted, urls), ignore, settings=one)] == urls


@pytest.mark.parametrize("apart", [False, True])
def test_pages_and_images_of_a_host_share_its_pace(
    apart: bool, site: Any, urls: list[str], settings: FetchSettings
) -> None:
    host = HostSettings(at_once=2, per_second=200)
    page = site.publish("/page", "a page")
    with closing(Fetcher(replace(settings, hosts={site.address: host}))) as fetcher:

        def wanted() -> Iterator[Wanted]:
            for number in range(130):
                if number > 64:
                    fetcher.fetch_page(page)
                yield Wanted(urls[number % 30])

        settings = fetcher.world.settings
        fates = list(transfer(wanted(), ignore, settings=settings, world=fetcher.world, apart=apart))
    assert {fate.outcome for fate in fates} == {Outcome.STORED}
    times = [seconds for _, seconds, _ in site.requests]
    assert len(times) == 130 + 65 + (2 if apart else 1)  # each process asks for robots.txt
    assert times[-1] - times[0] >= (len(times) - 2) / 200


def _scrape_until_killed(urls: list[str], settings: FetchSettings, folder: Path) -> None:
    """Ends itself in the middle, with what arrived not yet made durable."""
    for number, _ in enumerate(transfer(map(Wanted, urls), ignore, settings=settings, spool=folder)):
        if number == 15:
            os.kill(os.getpid(), signal.SIGKILL)


def test_what_had_arrived_before_a_kill_is_not_asked_for_again(
    site: Any, urls: list[str], settings: FetchSettings, tmp_path: Path
) -> None:
    process = multiprocessing.get_context("spawn").Process(target=_scrape_until_killed, args=(urls, settings, tmp_path))
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    kept: set[bytes] = set()
    fates = list(
        transfer(map(Wanted, urls), lambda arrived: kept.add(arrived.read()), settings=settings, spool=tmp_path)
    )
    assert kept == {photograph(number) for number in range(30)}
    assert len(fates) == 30
    asked = site.asked("/")
    assert len(asked) - len(set(asked)) <= settings.private.at_once


def test_what_was_too_large_before_a_failure_is_judged_by_the_settings_of_now(
    urls: list[str], settings: FetchSettings, tmp_path: Path
) -> None:
    tight = replace(settings, max_image_pixels=1)
    with closing(transfer(map(Wanted, urls[:2]), ignore, settings=tight, spool=tmp_path)) as fates:
        assert next(fates).outcome is Outcome.REFUSED
    after = transfer(map(Wanted, urls[:2]), ignore, settings=settings, spool=tmp_path)
    assert {fate.outcome for fate in after} == {Outcome.STORED}


def test_an_image_that_was_cut_in_the_spool_is_asked_for_again(
    site: Any, urls: list[str], settings: FetchSettings, tmp_path: Path
) -> None:
    paths: list[str] = []
    list(transfer(map(Wanted, urls[:2]), lambda one: paths.append(one.path), settings=settings, spool=tmp_path))
    Path(paths[1]).write_bytes(Path(paths[1]).read_bytes()[:-10])
    before = len(site.asked("/"))
    fates = list(transfer(map(Wanted, urls[:2]), ignore, settings=settings, spool=tmp_path))
    assert {fate.outcome for fate in fates} == {Outcome.STORED}
    assert len(site.asked("/")) == before + 1
