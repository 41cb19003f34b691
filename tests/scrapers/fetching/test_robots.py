"""robots.txt: RFC 9309, and what Google's public parser answers to the cases that its tests have."""

import pytest
from bs4 import BeautifulSoup
from hypothesis import given
from hypothesis import strategies as st

from scrapers.fetching.robots import MAX_BYTES, product_token, read_rules
from scrapers.fetching.robots_tags import forbidden_by_header, forbidden_by_page

# What a robot is called, its robots.txt, and the paths that it may and may not ask for.
Case = tuple[str, str, str, str]

CASES: dict[str, list[Case]] = {
    "lines": [
        ("foobot", "", "/ /x/y", ""),
        ("", "user-agent: foobot\ndisallow: /\n", "/", ""),
        ("foobot", "user-agent: foobot\ndisallow: /\n", "", "/ /x/y"),
        ("foobot", "foo: foobot\nbar: /\n", "/x/y", ""),
        ("foobot", "user-agent foobot\ndisallow /\n", "", "/x/y"),
        ("foobot", "user-agent\tfoobot\ndisallow\t/\n", "", "/x/y"),
        ("foobot", "  user-agent : foobot  \n disallow\t:\t/x \n", "/y", "/x"),
        ("foobot", "user-agent: foobot\ndissallow: /a\ndisalow: /b\n", "/c", "/a /b"),
    ],
    "line ends": [
        ("foo", "user-agent: foo\nallow: /some/path\nuser-agent: bar\n\n\ndisallow: /\n", "/x", ""),
        ("bar", "user-agent: foo\r\nallow: /some/path\r\nuser-agent: bar\r\n\r\n\r\ndisallow: /\r\n", "", "/x"),
        ("bar", "user-agent: foo\rallow: /some/path\ruser-agent: bar\r\r\rdisallow: /\r", "", "/x"),
        ("bar", "user-agent: foo\nallow: /some/path\nuser-agent: bar\n\n\ndisallow: /", "", "/x"),
        ("bar", "user-agent: foo\nallow: /some/path\r\nuser-agent: bar\n\r\n\ndisallow: /", "", "/x"),
    ],
    "groups": [
        (
            bot,
            "allow: /foo/bar/\n\nuser-agent: FooBot\ndisallow: /\nallow: /x/\nuser-agent: BarBot\ndisallow: /\n"
            "allow: /y/\n\n\nallow: /w/\nuser-agent: BazBot\n\nuser-agent: FooBot\nallow: /z/\ndisallow: /\n",
            may,
            may_not,
        )
        for bot, may, may_not in [
            ("foobot", "/x/b /z/d", "/y/c /foo/bar/"),
            ("barbot", "/y/c /w/a", "/z/d /foo/bar/"),
            ("bazbot", "/z/d", "/foo/bar/"),
        ]
    ]
    + [
        (bot, f"user-agent: BarBot\n{other}\nuser-agent: *\ndisallow: /\n", "", "/")
        for bot in ("foobot", "barbot")
        for other in ("sitemap: https://foo.bar/sitemap", "invalid-unknown-line: unknown", "crawl-delay: 1")
    ],
    "names of fields are of any case": [
        ("foobot", f"{agent}: FooBot\n{allow}: /x/\n{disallow}: /\n", "/x/y", "/a/b")
        for agent, allow, disallow in [
            ("USER-AGENT", "ALLOW", "DISALLOW"),
            ("user-agent", "allow", "disallow"),
            ("uSeR-aGeNt", "AlLoW", "dIsAlLoW"),
        ]
    ],
    "robots are called in any case, up to the first space": [
        (bot, f"user-agent: {name}\nallow: /x/\ndisallow: /\n", "/x/y", "/a/b")
        for bot in ("Foo", "foo")
        for name in ("FOO BAR", "foo bar", "FoO bAr")
    ]
    + [
        ("Foo", "user-agent: *\ndisallow: /\nuser-agent: Foo Bar\nallow: /x/\ndisallow: /\n", "/x/y", "/y"),
        ("Foo Bar", "user-agent: *\ndisallow: /\nuser-agent: Foo Bar\nallow: /x/\ndisallow: /\n", "", "/x/y"),
        ("foo", "user-agent: foobar\ndisallow: /\n", "/x", ""),
        ("foobar", "user-agent: foo\ndisallow: /\n", "/x", ""),
    ],
    "those for all hold for those without their own": [
        ("foobot", "", "/x/y", ""),
        ("foobot", "user-agent: *\nallow: /\nuser-agent: FooBot\ndisallow: /\n", "", "/x/y"),
        ("barbot", "user-agent: *\nallow: /\nuser-agent: FooBot\ndisallow: /\n", "/x/y", ""),
        ("quxbot", "user-agent: a\nallow: /\nuser-agent: b\ndisallow: /\nuser-agent: c\ndisallow: /\n", "/x/y", ""),
        ("foobot", "user-agent: * \ndisallow: /x/\nuser-agent: FooBot\ndisallow: /y/\n", "/x/page", "/y/page"),
    ],
    "paths have a case": [
        ("foobot", "user-agent: FooBot\ndisallow: /x/\n", "/X/y", "/x/y"),
        ("foobot", "user-agent: FooBot\ndisallow: /X/\n", "/x/y", ""),
    ],
    "the longest counts, and of two the one that allows": [
        ("foobot", f"user-agent: FooBot\n{rules}", may, may_not)
        for rules, may, may_not in [
            ("disallow: /x/page.html\nallow: /x/\n", "", "/x/page.html"),
            ("allow: /x/page.html\ndisallow: /x/\n", "/x/page.html", "/x/"),
            ("disallow: \nallow: \n", "/x/page.html", ""),
            ("disallow: /\nallow: /\n", "/x/page.html", ""),
            ("disallow: /x\nallow: /x/\n", "/x/", "/x"),
            ("disallow: /x/page.html\nallow: /x/page.html\n", "/x/page.html", ""),
            ("allow: /page\ndisallow: /*.html\n", "/page", "/page.html"),
            ("allow: /x/page.\ndisallow: /*.html\n", "/x/page.html", "/x/y.html"),
            ("allow: /p\ndisallow: /\n", "/page", "/x"),
            ("allow: /folder\ndisallow: /folder\n", "/folder/page", ""),
            ("allow: /page\ndisallow: /*.htm\n", "", "/page.htm"),
            ("allow: /$\ndisallow: /\n", "/", "/page.html"),
        ]
    ],
    "percent-encoding": [
        ("foobot", f"user-agent: FooBot\ndisallow: /\nallow: {allow}\n", may, may_not)
        for allow, may, may_not in [
            (
                "/foo/bar?qux=taz&baz=http://foo.bar?tar&par",
                "/foo/bar?qux=taz&baz=http://foo.bar?tar&par",
                "/foo/bar",
            ),
            ("/foo/bar/\u30c4", "/foo/bar/%E3%83%84", "/foo/bar/\u30c4"),
            ("/foo/bar/%E3%83%84", "/foo/bar/%E3%83%84", "/foo/bar/\u30c4"),
            ("/foo/bar/%e3%83%84", "/foo/bar/%E3%83%84", "/foo/bar"),
            ("/foo/bar/%62%61%7A", "/foo/bar/%62%61%7A", "/foo/bar/baz"),
        ]
    ]
    + [("foobot", "user-agent: *\ndisallow: /baz\n", "/ba", "/baz /%62az /ba%7A /%62%61%7a")],
    "special characters": [
        ("foobot", f"user-agent: FooBot\n{rules}", may, may_not)
        for rules, may, may_not in [
            ("disallow: /foo/bar/quz\nallow: /foo/*/qux\n", "/foo/quz /foo//quz /foo/bax/quz", "/foo/bar/quz"),
            ("disallow: /foo/bar$\nallow: /foo/bar/qux\n", "/foo/bar/qux /foo/bar/ /foo/bar/baz", "/foo/bar"),
            ("# disallow: /\ndisallow: /foo/quz#qux\nallow: /\n", "/foo/bar", "/foo/quz"),
        ]
    ],
    "index.html is its folder": [
        (
            "foobot",
            "user-agent: *\nallow: /allowed-slash/index.html\ndisallow: /\n",
            "/allowed-slash/ /allowed-slash/index.html",
            "/allowed-slash/index.htm /anyother-url",
        )
    ],
    "examples of the documentation": [
        ("foobot", f"user-agent: FooBot\ndisallow: /\nallow: {allow}\n", may, may_not)
        for allow, may, may_not in [
            *(
                (
                    fish,
                    "/fish /fish.html /fish/salmon.html /fishheads /fishheads/yummy.html /fish.html?id=anything",
                    "/bar /Fish.asp /catfish /?id=fish",
                )
                for fish in ("/fish", "/fish*")
            ),
            (
                "/fish/",
                "/fish/ /fish/salmon /fish/?salmon /fish/salmon.html /fish/?id=anything",
                "/bar /fish /fish.html /Fish/Salmon.html",
            ),
            (
                "/*.php",
                "/filename.php /folder/filename.php /folder/filename.php?parameters //folder/any.php.file.html "
                "/filename.php/ /index?f=filename.php/",
                "/bar /php/ /index?php /windows.PHP",
            ),
            (
                "/*.php$",
                "/filename.php /folder/filename.php",
                "/bar /filename.php?parameters /filename.php/ /filename.php5 /php/ /filename?php /aaaphpaaa "
                "//windows.PHP",
            ),
            ("/fish*.php", "/fish.php /fishheads/catfish.php?parameters", "/bar /Fish.PHP"),
        ]
    ],
}


@pytest.mark.parametrize("about", CASES)
def test_what_a_robots_txt_says_is_kept(about: str) -> None:
    for agent, content, may, may_not in CASES[about]:
        rules = read_rules(content.encode(), agent=agent)
        assert [path for path in may.split() if not rules.allow(path)] == [], content
        assert [path for path in may_not.split() if rules.allow(path)] == [], content


def test_a_long_line_is_cut_after_sixteen_kilobytes() -> None:
    most = 2083 * 8
    for field, rest in (("disallow: ", ""), ("allow: ", "disallow: /\n")):
        path = "/x/" + "a" * (most - len("/x/") - len(field) - 1)
        rules = read_rules(f"user-agent: foobot\n{rest}{field}{path}/qux\n".encode(), agent="foobot")
        assert rules.allow("/fux") is (field == "disallow: ")
        assert rules.allow(f"{path}/fux") is (field == "allow: ")


@pytest.mark.parametrize(("mark", "counts"), [(b"\xef\xbb\xbf", True), (b"\xef\xbb", True), (b"\xef\x11\xbf", False)])
def test_a_byte_order_mark_is_skipped_and_another_one_spoils_its_line(mark: bytes, counts: bool) -> None:
    rules = read_rules(mark + b"user-agent: foobot\ndisallow: /\n", agent="foobot")
    assert rules.allow("/x") is not counts


def test_what_lies_beyond_the_limit_is_not_there() -> None:
    content = b"user-agent: *\ndisallow: /a\n#" + b"x" * MAX_BYTES + b"\ndisallow: /b\n"
    rules = read_rules(content, agent="foobot")
    assert (rules.allow("/a"), rules.allow("/b")) == (False, True)


@pytest.mark.parametrize(
    ("said", "delay"), [("2", 2.0), ("0.5", 0.5), ("-1", None), ("soon", None), ("inf", None), ("nan", None)]
)
def test_a_crawl_delay_is_a_number_of_seconds(said: str, delay: float | None) -> None:
    content = f"user-agent: *\ncrawl-delay: {said}\ndisallow: /x\n"
    assert read_rules(content.encode(), agent="foobot").crawl_delay_s == delay


def test_robots_txt_itself_may_always_be_asked_for() -> None:
    assert read_rules(b"user-agent: *\ndisallow: /\n", agent="foobot").allow("/robots.txt")


def test_a_robot_is_known_by_the_beginning_of_its_user_agent() -> None:
    assert product_token("carloop/0.1 (+https://example.invalid)") == "carloop"


def test_a_pattern_of_many_stars_takes_no_time() -> None:
    content = "user-agent: *\ndisallow: /" + "*a" * 4000 + "b$\n"
    assert read_rules(content.encode(), agent="foobot").allow("/" + "a" * 20_000)


@given(st.binary(max_size=300))
def test_any_bytes_are_some_rules(content: bytes) -> None:
    read_rules(b"user-agent: *\n" + content, agent="foobot").allow("/x/%41?y")


# pages and images that speak for themselves


@pytest.mark.parametrize(
    ("header", "forbids"),
    [
        (None, None),
        ("noindex, nofollow", None),
        ("noai", "noai"),
        ("noindex, NoImageAI", "noimageai"),
        ("otherbot: noai", None),
        ("otherbot: noindex, noai", None),
        ("otherbot: noai, carloop: noindex, noimageai", "noimageai"),
        ("unavailable_after: 25 Jun 2030 15:00:00 PST, noai", "noai"),
    ],
)
def test_a_header_may_forbid_keeping_an_image(header: str | None, forbids: str | None) -> None:
    assert forbidden_by_header(header, agent="carloop") == forbids


@pytest.mark.parametrize(
    ("meta", "forbids"),
    [
        ("", None),
        ('<meta name="robots" content="noindex">', None),
        ('<meta name="Robots" content="noindex, noai">', "noai"),
        ('<meta name="carloop" content="noimageai">', "noimageai"),
        ('<meta name="otherbot" content="noai">', None),
    ],
)
def test_a_page_may_forbid_keeping_its_images(meta: str, forbids: str | None) -> None:
    assert forbidden_by_page(BeautifulSoup(meta, "html.parser"), agent="carloop") == forbids
