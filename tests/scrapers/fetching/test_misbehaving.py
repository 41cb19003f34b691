"""A site that misbehaves in every way: each address's fate is told, nobody is hammered, nothing else is touched."""

import re
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from typing import Any

import pytest

from scrapers.errors import FetchFailed, FetchRefused
from scrapers.fetching.answers import Arrived, Fate, Outcome, Wanted
from scrapers.fetching.bulk import transfer
from scrapers.fetching.fetcher import Fetcher
from scrapers.fetching.settings import FetchSettings, HostSettings
from tests.scrapers.misbehaving_site import WAYS, MisbehavingSite, misbehaving_site, photograph

STORED, UNCHANGED, REFUSED, FAILED = Outcome.STORED, Outcome.UNCHANGED, Outcome.REFUSED, Outcome.FAILED
FATES: dict[str, tuple[Outcome, str]] = {
    "well": (STORED, ""),
    "slow drip": (FAILED, "could not be read in 2 attempts: no whole answer"),
    "slow head": (FAILED, "could not be read in 2 attempts: no whole answer"),
    "silence": (FAILED, "could not be read in 2 attempts"),
    "endless body": (REFUSED, "is larger than 1000000 bytes"),
    "too large": (REFUSED, "is larger than 1000000 bytes"),
    "cut short": (FAILED, "could not be read in 2 attempts"),
    "longer than said": (STORED, ""),
    "hangs up": (FAILED, "could not be read in 2 attempts"),
    "no http": (FAILED, "could not be read in 2 attempts"),
    "circle": (REFUSED, "redirects in a circle"),
    "far": (REFUSED, "redirects more than 5 times"),
    "to loopback": (REFUSED, "is on a private network"),
    "to metadata": (REFUSED, r"is on a private network \(169.254.169.254\)"),
    "to a file": (REFUSED, "file:///etc/passwd is no http or https address"),
    "cookies": (REFUSED, "redirects in a circle"),
    "busy": (FAILED, "answered 429 Too Many Requests"),
    "busy for a second": (STORED, ""),
    "busy for a day": (FAILED, "answered 429 Too Many Requests"),
    "gzip bomb": (REFUSED, "is larger than 1000000 bytes"),
    "unknown encoding": (REFUSED, "is encoded as 'br', which was not asked for"),
    "half a gzip": (FAILED, "ends in the middle of what it compressed"),
    "page": (REFUSED, "is no image that is .*, but a web page"),
    "svg": (REFUSED, "is no image that is .*, but SVG"),
    "one byte": (REFUSED, "is no image that is .*, but 1 other bytes"),
    "nothing": (REFUSED, "is no image that is .*, but empty"),
    "half an image": (REFUSED, "is not a whole JPEG image"),
    "said to be text": (STORED, ""),
    "names going up": (STORED, ""),
    "noai": (REFUSED, "says 'noai' in its X-Robots-Tag"),
    "robots in trouble": (FAILED, "nothing says that robots may: .*robots.txt answered 503"),
    "robots in a circle": (FAILED, "nothing says that robots may: .*redirects in a circle"),
    "gone": (FAILED, "answered 410 Gone"),
    "unchanged": (UNCHANGED, ""),
}
OF_CONTENT = {"page", "svg", "one byte", "nothing", "half an image", "noai"}


def settings_for(site: MisbehavingSite, **other: Any) -> FetchSettings:
    """Limits so low that misbehaviour shows at once; all but `secret` may be visited."""
    usual = FetchSettings(
        allow_private=tuple(site.host(way) for way in WAYS if way != "secret"),
        timeout_s=0.3,
        total_timeout_s=0.5,
        max_wait_s=5,
        max_image_bytes=1_000_000,
        attempts=2,
    )
    return replace(usual, **other)


@pytest.fixture(scope="module")
def site() -> Iterator[MisbehavingSite]:
    with misbehaving_site() as site:
        yield site


@pytest.fixture(scope="module")
def kept() -> dict[str, bytes]:
    """What the sink was given, by its place in a store."""
    return {}


@pytest.fixture(scope="module")
def fates(site: MisbehavingSite, kept: dict[str, bytes]) -> dict[str, Fate]:
    """One transfer of them all, with the log as it was right after."""

    def keep(arrived: Arrived) -> None:
        kept[arrived.image.file_name] = arrived.read()

    paths = {"names going up": "/../../../etc/..%2f..%2fpasswd.jpg"}
    wanted = [Wanted(site.url(way, paths.get(way, "/car.jpg")), tag=way) for way in FATES]
    wanted.append(Wanted(site.url("well", "/forbidden/car.jpg"), tag="forbidden"))
    fates = {fate.wanted.tag: fate for fate in transfer(wanted, keep, settings=settings_for(site))}
    assert len(fates) == len(wanted)
    return fates


@pytest.mark.parametrize("way", FATES)
def test_the_fate_of_each_address_is_told(way: str, fates: dict[str, Fate]) -> None:
    outcome, reason = FATES[way]
    fate = fates[way]
    assert (fate.outcome, bool(re.search(reason, fate.reason or ""))) == (outcome, True), fate.reason
    assert "\n" not in (fate.reason or "")


def test_only_whole_images_reach_the_sink(fates: dict[str, Fate], kept: dict[str, bytes]) -> None:
    assert set(kept.values()) == {photograph(shade) for shade in (0, 2, 3)}
    assert all(re.fullmatch(r"images/[0-9a-f]{2}/[0-9a-f]{64}\.jpg", name) for name in kept)


def test_what_is_forbidden_or_private_was_not_asked_for(fates: dict[str, Fate], site: MisbehavingSite) -> None:
    assert fates["forbidden"].outcome == REFUSED
    assert [asked.path for asked in site.asked("well")] == ["/car.jpg"]
    assert not [asked for asked in site.log if asked.way == "secret"]
    assert site.asked("robots in trouble") == site.asked("robots in a circle") == []


def test_robots_txt_is_asked_for_before_anything_else(fates: dict[str, Fate], site: MisbehavingSite) -> None:
    for way in FATES:
        assert next(asked.path for asked in site.log if asked.way == way) == "/robots.txt"


def test_cookies_are_not_kept(fates: dict[str, Fate], site: MisbehavingSite) -> None:
    assert not [asked for asked in site.log if "cookie" in asked.headers]


def test_every_request_says_who_asks(fates: dict[str, Fate], site: MisbehavingSite) -> None:
    assert {asked.headers["user-agent"] for asked in site.log} == {FetchSettings().user_agent}


def test_a_pause_that_is_asked_for_is_kept(fates: dict[str, Fate], site: MisbehavingSite) -> None:
    first, second = site.asked("busy for a second")
    assert second.at - first.at >= 1.0
    assert len(site.asked("busy for a day")) == 1
    assert len(site.asked("busy")) == 2


@pytest.mark.parametrize("way", [way for way in FATES if way not in OF_CONTENT])
def test_one_request_at_a_time_has_the_same_fate(way: str, site: MisbehavingSite, fates: dict[str, Fate]) -> None:
    outcome, reason = FATES[way]
    with closing(Fetcher(settings_for(site, attempts=1 if outcome == FAILED else 2))) as fetcher:
        if outcome in (STORED, UNCHANGED):
            assert fetcher.fetch_image(site.url(way)).is_unchanged == (outcome == UNCHANGED)
            return
        with pytest.raises(FetchFailed, match=reason.replace("2 attempts", "1 attempts")) as caught:
            fetcher.fetch_image(site.url(way))
        assert isinstance(caught.value, FetchRefused) == (outcome == REFUSED)


def test_a_rate_is_kept_whatever_the_number_of_connections(site: MisbehavingSite) -> None:
    host = HostSettings(at_once=16, per_second=50)
    settings = settings_for(site, hosts={site.host("no robots"): host})
    wanted = [Wanted(site.url("no robots", f"/{number}.jpg")) for number in range(20)]
    fates = list(transfer(wanted, lambda arrived: None, settings=settings))
    assert {fate.outcome for fate in fates} == {STORED}
    times = [asked.at for asked in site.log if asked.way == "no robots"]
    assert times[-1] - times[0] >= 20 * 0.02 - 0.02


def test_robots_that_change_are_kept_from_the_next_run_on(site: MisbehavingSite) -> None:
    wanted = [Wanted(site.url("no robots", "/changing.jpg"))]
    (before,) = transfer(wanted, lambda arrived: None, settings=settings_for(site))
    site.robots["no robots"] = b"user-agent: carloop\ndisallow: /\n"
    (after,) = transfer(wanted, lambda arrived: None, settings=settings_for(site))
    del site.robots["no robots"]
    assert (before.outcome, after.outcome) == (STORED, REFUSED)
    assert len([asked for asked in site.asked("no robots") if asked.path == "/changing.jpg"]) == 1
