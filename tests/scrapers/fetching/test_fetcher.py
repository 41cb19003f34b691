"""The client: what it may ask for, what it refuses, and how it insists."""

import re
import socket
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from scrapers.errors import FetchFailed
from scrapers.fetching.fetcher import Fetcher

MakeFetcher = Callable[..., Fetcher]


def refusal(fetcher: Fetcher, url: str) -> str:
    """The one sentence with which an image is refused."""
    with pytest.raises(FetchFailed) as caught:
        fetcher.fetch_image(url)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.fixture
def silent_address() -> Iterator[str]:
    """A server that takes connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"127.0.0.1:{server.getsockname()[1]}"


def test_an_image_arrives_with_the_bytes_that_were_sent(site: Any, fetcher: Fetcher) -> None:
    content = bytes(range(256)) * 300
    assert fetcher.fetch_image(site.publish("/car.jpg", content, content_type="image/jpeg")).content == content


def test_the_client_says_who_it_is(site: Any, make_fetcher: MakeFetcher) -> None:
    fetcher = make_fetcher(user_agent="carloop/9 (+https://cars.example)")
    fetcher.fetch_page(site.publish("/"))
    assert {user_agent for _, _, user_agent in site.requests} == {"carloop/9 (+https://cars.example)"}


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        ("Müller".encode(), "text/html"),
        ("Müller".encode(), "text/html; charset=utf-8"),
        ("Müller".encode("latin-1"), "text/html; Charset=ISO-8859-1"),
        ('<meta charset="windows-1251">Мюллер'.encode("cp1251"), "text/html"),
    ],
)
def test_a_page_is_text_whatever_its_encoding(body: bytes, content_type: str, site: Any, fetcher: Fetcher) -> None:
    text = fetcher.fetch_page(site.publish("/", body, content_type=content_type)).text
    assert text.endswith(("Müller", "Мюллер"))


def test_an_address_that_is_not_there_is_told(site: Any, fetcher: Fetcher) -> None:
    assert refusal(fetcher, site.url("/none.jpg")) == f"{site.url('/none.jpg')} answered 404 Not Found"


# robots.txt


def test_what_robots_txt_disallows_is_never_asked_for(site: Any, fetcher: Fetcher) -> None:
    site.publish("/robots.txt", "User-agent: *\nDisallow: /private/\n")
    url = site.publish("/private/car.jpg", b"secret")
    assert refusal(fetcher, url) == f"{url} is not for robots, says {site.url('/robots.txt')}"
    assert site.asked() == []


def test_rules_for_carloop_outrank_those_for_all(site: Any, fetcher: Fetcher) -> None:
    site.publish("/robots.txt", "User-agent: *\nAllow: /\n\nUser-agent: carloop\nDisallow: /\n")
    assert "is not for robots" in refusal(fetcher, site.publish("/car.jpg", b"content"))


def test_what_robots_txt_leaves_open_is_allowed(site: Any, fetcher: Fetcher) -> None:
    site.publish("/robots.txt", "User-agent: *\nDisallow: /private/\n")
    assert fetcher.fetch_image(site.publish("/car.jpg", b"content")).content == b"content"


def test_without_robots_txt_everything_is_allowed(site: Any, fetcher: Fetcher) -> None:
    assert fetcher.fetch_image(site.publish("/car.jpg", b"content")).content == b"content"


def test_robots_txt_is_read_once_per_site(site: Any, fetcher: Fetcher) -> None:
    for number in range(3):
        fetcher.fetch_page(site.publish(f"/{number}"))
    assert [path for path, _, _ in site.requests].count("/robots.txt") == 1


@pytest.mark.parametrize("status", [500, 503, 429])
def test_a_server_that_cannot_tell_its_rules_allows_nothing(status: int, site: Any, make_fetcher: MakeFetcher) -> None:
    site.publish("/robots.txt", status=status)
    url = site.publish("/car.jpg", b"content")
    fetcher = make_fetcher(attempts=1)
    for _ in range(2):
        assert (
            f"{url} is not asked for, since nothing says that robots may: {site.url('/robots.txt')} answered {status}"
            in (refusal(fetcher, url))
        )
    assert site.asked() == []


def test_a_server_that_hangs_up_on_robots_txt_is_asked_for_it_once(site: Any, make_fetcher: MakeFetcher) -> None:
    site.publish("/robots.txt", hangs_up=True)
    fetcher = make_fetcher(attempts=1)
    for _ in range(2):
        assert "could not be read in 1 attempts" in refusal(fetcher, site.publish("/car.jpg", b"content"))
    assert [path for path, _, _ in site.requests] == ["/robots.txt"]


def test_a_redirect_leads_to_nothing_that_robots_txt_disallows(site: Any, fetcher: Fetcher) -> None:
    site.publish("/robots.txt", "User-agent: *\nDisallow: /private/\n")
    site.publish("/private/car.jpg", b"secret")
    url = site.publish("/car.jpg", status=302, location="/private/car.jpg")
    assert "/private/car.jpg is not for robots" in refusal(fetcher, url)
    assert site.asked() == ["/car.jpg"]


def test_a_redirect_to_another_site_keeps_that_site_s_rules(
    site: Any, make_site: Callable[[], Any], make_fetcher: MakeFetcher
) -> None:
    other = make_site()
    other.publish("/robots.txt", "User-agent: *\nDisallow: /\n")
    url = site.publish("/car.jpg", status=302, location=other.publish("/car.jpg", b"content"))
    assert f"says {other.url('/robots.txt')}" in refusal(make_fetcher(allow_private=(site.address, other.address)), url)
    assert other.asked() == []


def test_the_crawl_delay_lies_between_requests_even_when_they_fail(site: Any, fetcher: Fetcher) -> None:
    site.publish("/robots.txt", "User-agent: *\nCrawl-delay: 0.3\n")
    site.publish("/1", status=503)
    fetcher.fetch_page(site.publish("/1"))
    fetcher.fetch_page(site.publish("/2"))
    times = [asked_at for path, asked_at, _ in site.requests if path != "/robots.txt"]
    assert len(times) == 3
    assert all(later - earlier > 0.29 for earlier, later in pairwise(times))


# private networks


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "localhost",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "10.0.0.1",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "0.0.0.0",
        "2130706433",
        "[fe80::1]",
        "[fc00::1]",
    ],
)
def test_a_private_network_is_refused(host: str, fetcher: Fetcher) -> None:
    assert "is on a private network" in refusal(fetcher, f"http://{host}/car.jpg")


def test_the_refusal_of_a_private_network_says_what_to_name(site: Any, make_fetcher: MakeFetcher) -> None:
    told = refusal(make_fetcher(allow_private=()), site.url("/car.jpg"))
    assert told.endswith(f"if that is meant, name {site.address} under fetch: allow_private:")
    assert site.requests == []


def test_a_named_host_is_named_with_its_port(site: Any, make_site: Callable[[], Any], fetcher: Fetcher) -> None:
    other = make_site()
    assert "is on a private network" in refusal(fetcher, other.url("/car.jpg"))
    assert other.requests == []


def test_a_redirect_into_a_private_network_is_refused(
    site: Any, make_site: Callable[[], Any], fetcher: Fetcher
) -> None:
    other = make_site()
    url = site.publish("/car.jpg", status=302, location=other.publish("/car.jpg", b"secret"))
    assert f"{other.url('/car.jpg')} is on a private network" in refusal(fetcher, url)
    assert other.requests == []


def test_robots_txt_leads_into_no_private_network_either(
    site: Any, make_site: Callable[[], Any], fetcher: Fetcher
) -> None:
    other = make_site()
    site.publish("/robots.txt", status=302, location=other.url("/robots.txt"))
    assert "is on a private network" in refusal(fetcher, site.publish("/car.jpg", b"content"))
    assert other.requests == []


# addresses


@pytest.mark.parametrize(
    "url", ["ftp://a.example/car.jpg", "file:///etc/passwd", "data:image/png;base64,AAAA", "//a.example", "http://", ""]
)
def test_other_schemes_are_refused(url: str, fetcher: Fetcher) -> None:
    assert refusal(fetcher, url) == f"{url} is no http or https address"


@pytest.mark.parametrize("url", ["http://a.example:99999/", "http://a.example:port/", "http://[::1/", "http://[x]/"])
def test_an_address_that_is_none_is_refused(url: str, fetcher: Fetcher) -> None:
    assert refusal(fetcher, url) == f"{url} is no http or https address"


@pytest.mark.parametrize(
    ("host", "why"), [("a..example", "'a..example' is no host name"), ("x" * 64 + ".example", "is not known")]
)
def test_a_host_that_has_no_name_is_refused(host: str, why: str, fetcher: Fetcher) -> None:
    assert why in refusal(fetcher, f"http://{host}/car.jpg")


# redirects


def test_a_few_redirects_are_followed(site: Any, fetcher: Fetcher) -> None:
    for number in range(5):
        site.publish(f"/{number}", status=302, location=f"/{number + 1}")
    site.publish("/5", b"content")
    assert fetcher.fetch_image(site.url("/0")).content == b"content"


def test_the_body_of_a_redirect_is_not_waited_for(site: Any, fetcher: Fetcher) -> None:
    url = site.publish("/0", status=302, location="/1", owed=1_000_000)
    site.publish("/1", b"content")
    assert fetcher.fetch_image(url).content == b"content"
    assert site.asked() == ["/0", "/1"]


def test_endless_redirects_are_refused(site: Any, fetcher: Fetcher) -> None:
    url = site.publish("/car.jpg", status=302, location="/car.jpg")
    assert refusal(fetcher, url) == f"{url} redirects in a circle, back to {url}"


@pytest.mark.parametrize("location", ["http://[::1", "javascript:alert(1)", "http://a.example:99999/"])
def test_a_redirect_to_no_address_is_refused(location: str, site: Any, fetcher: Fetcher) -> None:
    told = refusal(fetcher, site.publish("/car.jpg", status=302, location=location))
    assert re.search(r"is no http or https address|could not be read in 2 attempts: .+", told)


# size, time and retries


def test_an_image_over_the_limit_is_refused(site: Any, make_fetcher: MakeFetcher) -> None:
    url = site.publish("/large.jpg", bytes(300_000))
    assert refusal(make_fetcher(max_image_bytes=299_999), url) == f"{url} is larger than 299999 bytes"
    assert len(make_fetcher(max_image_bytes=300_000).fetch_image(url).content) == 300_000


def test_an_image_over_the_limit_is_asked_for_once(site: Any, make_fetcher: MakeFetcher) -> None:
    refusal(make_fetcher(max_image_bytes=10), site.publish("/large.jpg", bytes(100)))
    assert site.asked() == ["/large.jpg"]


@pytest.mark.parametrize("trouble", [{"status": 429}, {"status": 503}, {"hangs_up": True}])
def test_trouble_that_passes_is_outlasted(trouble: dict[str, Any], site: Any, fetcher: Fetcher) -> None:
    site.publish("/car.jpg", **trouble)
    assert fetcher.fetch_image(site.publish("/car.jpg", b"content")).content == b"content"
    assert site.asked() == ["/car.jpg", "/car.jpg"]


def test_trouble_that_stays_is_told_after_the_last_attempt(site: Any, fetcher: Fetcher) -> None:
    url = site.publish("/car.jpg", status=503)
    assert refusal(fetcher, url) == f"{url} answered 503 Service Unavailable"
    assert site.asked() == ["/car.jpg", "/car.jpg"]


def test_an_image_cut_short_on_the_way_is_asked_for_again(site: Any, make_fetcher: MakeFetcher) -> None:
    site.publish("/car.jpg", b"cont", owed=3)
    answer = make_fetcher(timeout_s=0.2).fetch_image(site.publish("/car.jpg", b"content"))
    assert (answer.content, answer.tries) == (b"content", 2)


@pytest.mark.parametrize("status", [403, 404, 410, 500])
def test_an_answer_that_will_not_change_is_asked_for_once(status: int, site: Any, fetcher: Fetcher) -> None:
    assert f"answered {status}" in refusal(fetcher, site.publish("/car.jpg", status=status))
    assert site.asked() == ["/car.jpg"]


def test_a_silent_server_is_left_after_a_while(silent_address: str, make_fetcher: MakeFetcher) -> None:
    fetcher = make_fetcher(timeout_s=0.1, attempts=1, allow_private=(silent_address,))
    assert "could not be read in 1 attempts" in refusal(fetcher, f"http://{silent_address}/car.jpg")


# APIs and files


def test_an_api_is_called_with_its_key_and_by_its_own_terms(site: Any, fetcher: Fetcher) -> None:
    site.publish("/robots.txt", "User-agent: *\nDisallow: /api\n")
    site.publish("/api?q=car&page=1", '{"results": []}', content_type="application/json")
    answer = fetcher.fetch_json(site.url("/api"), params={"q": "car", "page": 1}, headers={"Authorization": "x"})
    assert (answer.json(), answer.robots) == ({"results": []}, "not asked")


def test_a_reply_that_is_no_json_is_told(site: Any, fetcher: Fetcher) -> None:
    answer = fetcher.fetch_json(site.publish("/api", "<html>"))
    with pytest.raises(FetchFailed, match="answered no JSON"):
        answer.json()


def test_a_file_appears_when_it_is_whole(site: Any, fetcher: Fetcher, tmp_path: Path) -> None:
    site.publish("/data.zip", status=503)
    url = site.publish("/data.zip", bytes(200_000))
    answer = fetcher.fetch_file(url, tmp_path / "in" / "data.zip", max_bytes=200_000)
    assert (answer.tries, (tmp_path / "in" / "data.zip").read_bytes()) == (2, bytes(200_000))
    with pytest.raises(FetchFailed, match="is larger than 1000 bytes"):
        fetcher.fetch_file(url, tmp_path / "other.zip", max_bytes=1000)
    assert not (tmp_path / "other.zip").exists()


def test_a_page_that_has_not_changed_is_not_sent_again(site: Any, fetcher: Fetcher) -> None:
    url = site.publish("/", status=304)
    assert fetcher.fetch_page(url, etag='"1"').is_unchanged
