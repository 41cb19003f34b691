"""Which addresses may be asked, and where connections to them go."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scrapers.errors import FetchFailed, FetchRefused
from scrapers.fetching.addresses import is_public, pin, read_target

NAMES = {
    "public.example": ["93.184.215.14", "2606:2800:21f:cb07:6820:80da:af6b:8b2c"],
    "localtest.example": ["127.0.0.1"],
    "intranet.example": ["10.1.2.3"],
    "half.example": ["93.184.215.14", "192.168.0.1"],
    "six.example": ["::1"],
    "mapped.example": ["::ffff:10.0.0.1"],
    "nat64.example": ["64:ff9b::a00:1"],
    "link.example": ["fe80::1%eth0"],
    "metadata.example": ["169.254.169.254"],
    "xn--mller-kva.example": ["93.184.215.14"],
}

REFUSED = [
    # private, loopback, link-local, metadata, shared and special networks
    "http://127.0.0.1/",
    "http://127.255.255.254/",
    "http://0.0.0.0/",
    "http://0.1.2.3/",
    "http://10.0.0.1/",
    "http://172.31.255.255/",
    "http://192.168.1.1/",
    "http://169.254.169.254/latest/meta-data/",
    "http://168.63.129.16/metadata",
    "http://100.64.0.1/",
    "http://100.100.100.200/latest/meta-data/",
    "http://192.0.0.192/opc/v1/instance/",
    "http://198.18.0.1/",
    "http://203.0.113.7/",
    "http://224.0.0.1/",
    "http://240.0.0.1/",
    "http://255.255.255.255/",
    "http://192.88.99.1/",
    # IPv4 in other forms: decimal, octal, hexadecimal, short, mixed, with a dot at the end, public ones too
    "http://2130706433/",
    "http://017700000001/",
    "http://0177.0.0.1/",
    "http://0x7f000001/",
    "http://0x7f.0.0.1/",
    "http://127.1/",
    "http://127.0.1/",
    "http://0x7f.1/",
    "http://0177.0.0x1/",
    "http://127.0.0.1./",
    "http://0/",
    "http://134744072/",
    "http://256.256.256.256/",
    "http://127.0.0.1.0/",
    # IPv6: loopback, unspecified, local, link-local with a zone, multicast
    "http://[::1]/",
    "http://[::]/",
    "http://[0:0:0:0:0:0:0:1]/",
    "http://[fc00::1]/",
    "http://[fd00:ec2::254]/latest/meta-data/",
    "http://[fe80::1]/",
    "http://[fe80::1%25eth0]/",
    "http://[ff02::1]/",
    "http://[fec0::1]/",
    "http://[2001:db8::1]/",
    # IPv4 in IPv6: mapped, compatible, translated, 6to4, Teredo, NAT64, ISATAP
    "http://[::ffff:127.0.0.1]/",
    "http://[::ffff:7f00:1]/",
    "http://[::127.0.0.1]/",
    "http://[::ffff:0:127.0.0.1]/",
    "http://[2002:7f00:1::]/",
    "http://[2002:a9fe:a9fe::1]/",
    "http://[2001:0:4136:e378:8000:63bf:80ff:fffe]/",
    "http://[64:ff9b::7f00:1]/",
    "http://[64:ff9b:1::a00:1]/",
    "http://[2606:2800:21f:cb07:0:5efe:7f00:1]/",
    # user names, and characters that programs read differently
    "http://public.example@127.0.0.1/",
    "http://127.0.0.1@public.example/",
    "http://public.example:80@127.0.0.1/",
    "http://public.example\\@127.0.0.1/",
    "http://public.example%00.localtest.example/",
    "http://public.example\n@127.0.0.1/",
    "http:///127.0.0.1/",
    "http://127.0.0.1 .public.example/",
    # digits and dots of other alphabets
    "http://\uff11\uff12\uff17.\uff10.\uff10.\uff11/",
    "http://\u2460\u2461\u2466.\u24ea.\u24ea.\u2460/",
    "http://127\u30020\u30020\u30021/",
    "http://\u24db\u24de\u24d2\u24d0\u24db\u24d7\u24de\u24e2\u24e3/",
    # names
    "http://localtest.example/",
    "http://LOCALTEST.EXAMPLE./",
    "http://intranet.example/",
    "http://half.example/",
    "http://six.example/",
    "http://mapped.example/",
    "http://nat64.example/",
    "http://link.example/",
    "http://metadata.example/",
    # schemes and ports
    "file:///etc/passwd",
    "gopher://public.example/_GET",
    "ftp://public.example/",
    "dict://public.example:11211/",
    "jar:http://public.example!/",
    "//public.example/",
    "http://public.example:22/",
    "http://public.example:6379/",
    "https://public.example:8443/",
    "http://public.example:0/",
    "http://public.example:99999/",
]

ALLOWED = [
    "http://public.example/",
    "https://public.example/a?b=c",
    "http://public.example:80/",
    "https://public.example:443/x.jpg",
    "http://PUBLIC.example/",
    "http://m\u00fcller.example/",
    "http://xn--mller-kva.example/",
    "http://8.8.8.8/",
    "http://1.1.1.1/",
    "http://93.184.215.14/",
    "http://172.32.0.1/",
    "http://100.128.0.1/",
    "http://169.253.1.1/",
    "http://192.169.0.1/",
    "http://11.0.0.1/",
    "http://128.0.0.1/",
    "http://223.255.255.1/",
    "https://[2606:4700:4700::1111]/",
    "https://[2001:4860:4860::8888]/",
    "https://[2a00:1450:4001:82a::200e]/",
    "https://[2620:fe::fe]/",
    "http://public.example/?next=http://127.0.0.1/",
    "http://public.example/127.0.0.1",
    "http://public.example/a@b.jpg",
    "  http://public.example/  ",
]


def resolve(host: str, port: int) -> list[str]:
    """The names of this test; nothing is looked up."""
    if host.rstrip(".").lower() not in NAMES:
        raise OSError("no such name")
    return NAMES[host.rstrip(".").lower()]


@pytest.mark.parametrize("url", REFUSED, ids=ascii)
def test_what_is_not_a_plain_public_address_is_refused(url: str) -> None:
    with pytest.raises(FetchRefused) as caught:
        pin(read_target(url), resolve)
    assert "\n" not in str(caught.value)


def test_there_are_sixty_cases_and_more() -> None:
    assert len(set(REFUSED)) == len(REFUSED) > 60


@pytest.mark.parametrize("url", ALLOWED, ids=ascii)
def test_public_addresses_are_allowed(url: str) -> None:
    assert all(is_public(address) for address in pin(read_target(url), resolve))


def test_a_name_that_changes_its_mind_is_connected_where_it_was_checked() -> None:
    answers = iter([["93.184.215.14"], ["127.0.0.1"]])
    target = read_target("http://rebinding.example/")
    assert pin(target, lambda host, port: next(answers)) == ("93.184.215.14",)
    with pytest.raises(FetchRefused, match="private network"):
        pin(target, lambda host, port: next(answers))


def test_an_exception_is_for_one_host_and_port_exactly() -> None:
    allowed = ("intranet.example:8080", "[::1]:80")
    assert pin(read_target("http://intranet.example:8080/", allow_private=allowed), resolve) == ("10.1.2.3",)
    assert pin(read_target("http://[::1]/", allow_private=allowed), resolve) == ("::1",)
    for url in ("http://intranet.example/", "http://localtest.example:8080/", "http://10.1.2.3:8080/"):
        with pytest.raises(FetchRefused):
            pin(read_target(url, allow_private=allowed), resolve)


def test_another_port_is_allowed_by_its_number() -> None:
    assert read_target("https://public.example:8443/", ports=(8443,)).port == 8443


def test_a_host_without_an_address_is_no_refusal_for_ever() -> None:
    with pytest.raises(FetchFailed, match="is not known") as caught:
        pin(read_target("http://nowhere.example/"), resolve)
    assert not isinstance(caught.value, FetchRefused)


@pytest.mark.parametrize(
    ("url", "normal"),
    [
        ("HTTP://Public.Example:80/a/../b/./c#top", "http://public.example/b/c"),
        ("http://public.example", "http://public.example/"),
        ("https://public.example:443/a?b=c#d", "https://public.example/a?b=c"),
        ("http://public.example/a b.jpg", "http://public.example/a%20b.jpg"),
        ("http://public.example/\u00e4.jpg", "http://public.example/%C3%A4.jpg"),
        ("http://public.example/a%2fb", "http://public.example/a%2Fb"),
        ("http://[2606:4700:4700:0::1111]/", "http://[2606:4700:4700::1111]/"),
    ],
)
def test_an_address_has_one_form(url: str, normal: str) -> None:
    assert read_target(url).url == normal
    assert read_target(normal).url == normal


@given(st.ip_addresses(v=4))
def test_what_is_refused_as_ipv4_is_refused_within_ipv6_too(address: object) -> None:
    number = int(address)  # type: ignore[call-overload]
    for prefix in ("::ffff:", "::", "64:ff9b::", "::ffff:0:"):
        assert not is_public(f"{prefix}{address}")
    assert not is_public(f"2002:{number >> 16:x}:{number & 0xFFFF:x}::1")
