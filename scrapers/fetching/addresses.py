"""Which addresses may be asked: those of the public network, on allowed ports, written in the one usual form.

An address is normalised once, and what is checked is what is connected to: a name is resolved once, all that it
resolves to must be public, and connections go to these IP addresses (the name stays in `Host` and in TLS).
"""

import ipaddress
import re
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

from urllib3.exceptions import LocationParseError
from urllib3.util import parse_url

from scrapers.errors import FetchFailed, FetchRefused

Resolve = Callable[[str, int], Sequence[str]]
"""From a host name and a port to its IP addresses. Raises OSError where it has none."""

_DEFAULT_PORTS = {"http": 80, "https": 443}
_NUMBER = re.compile(r"(0x[0-9a-f]*|[0-9]+)\.?$")  # a last label like this makes a host an IPv4 address (WHATWG URL)
_HOST = re.compile(r"[a-z0-9_-]+(\.[a-z0-9_-]+)*\.?$")
_ODD = re.compile(r"[\x00-\x20\x7f\\]")
_PLAIN = re.compile(r"(?P<site>https?://[a-z0-9.-]+(:[0-9]+)?)(?P<path>/[A-Za-z0-9._~!$&'()*+,;=:@/-]*)", re.ASCII)
_NOT_PUBLIC_V4 = tuple(
    ipaddress.IPv4Network(network)
    for network in ("192.0.0.0/24", "192.88.99.0/24", "168.63.129.16/32")  # protocols; 6to4 relays; Azure's metadata
)
_PUBLIC_V6 = ipaddress.IPv6Network("2000::/3")
_NOT_PUBLIC_V6 = tuple(
    ipaddress.IPv6Network(network)
    for network in ("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20")  # Teredo and others, documentation, 6to4
)
_ISATAP = (0x00005EFE, 0x02005EFE)


@dataclass(frozen=True, slots=True)
class Target:
    """A normalised address without its fragment; `host` has no brackets, and is an IP address where `is_ip`."""

    url: str
    scheme: str
    host: str
    port: int
    path: str
    is_ip: bool
    is_named: bool
    site: str
    """Scheme, host and port, as in `https://cars.example`: what a robots.txt is for."""

    @property
    def netloc(self) -> str:
        return self.site.partition("://")[2]


def read_target(url: str, *, allow_private: Sequence[str] = (), ports: Sequence[int] = ()) -> Target:
    """The address to ask for, checked as far as its text tells.

    Raises:
        FetchRefused: no http or https address, with a user name, on a port or network that is not allowed, or in one of
            the forms that programs read differently.
    """
    target = _read(url, tuple(allow_private))
    if target.is_named:
        return target
    if target.is_ip and not is_public(target.host):
        raise _private(target, target.host)
    if target.port not in (*_DEFAULT_PORTS.values(), *ports):
        raise FetchRefused(f"{url} is on port {target.port}, which is not allowed; if it is meant, see fetch: ports:")
    return target


def pin(target: Target, resolve: Resolve) -> tuple[str, ...]:
    """The IP addresses to connect to. Raises FetchFailed for an unknown host, FetchRefused if any one is not public."""
    if target.is_ip:
        return (target.host,)
    try:
        found = tuple(dict.fromkeys(resolve(target.host, target.port)))
    except (OSError, UnicodeError) as error:
        raise FetchFailed(f"{target.url}: host {target.host!r} is not known: {error}") from error
    private = [address for address in found if not is_public(address)]
    if private and not target.is_named:
        raise _private(target, private[0])
    if not found:
        raise FetchFailed(f"{target.url}: host {target.host!r} has no address")
    return found


def resolve_by_system(host: str, port: int) -> tuple[str, ...]:
    """What the system's resolver says, IPv4 first. Raises OSError."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return tuple(str(entry[4][0]) for entry in sorted(found, key=lambda entry: entry[0] != socket.AF_INET))


def is_public(address: str) -> bool:
    """Whether an IP address is one of a single machine on the public network; IPv4 within IPv6 never is."""
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return False
    if isinstance(ip, ipaddress.IPv4Address):
        return ip.is_global and not ip.is_multicast and not any(ip in network for network in _NOT_PUBLIC_V4)
    if ip.scope_id or ip not in _PUBLIC_V6 or any(ip in network for network in _NOT_PUBLIC_V6):
        return False
    return ip.is_global and int(ip) >> 32 & 0xFFFFFFFF not in _ISATAP


def _read(url: str, allow_private: tuple[str, ...]) -> Target:
    plain = _PLAIN.fullmatch(url)
    root = _read_site(plain["site"], allow_private) if plain and "/." not in plain["path"] else None
    if plain is None or root is None:
        return _read_any(url, allow_private)
    path = plain["path"]
    return Target(f"{root.site}{path}", root.scheme, root.host, root.port, path, root.is_ip, root.is_named, root.site)


@lru_cache(maxsize=1024)
def _read_site(site: str, allow_private: tuple[str, ...]) -> Target | None:
    """Sites are few and their paths mostly in normal form already. None when there is something to complain about."""
    try:
        return _read_any(site, allow_private)
    except FetchRefused:
        return None


def _read_any(url: str, allow_private: tuple[str, ...]) -> Target:
    none = FetchRefused(f"{url} is no http or https address")
    text = url.strip().replace(" ", "%20")
    if _ODD.search(text):
        raise FetchRefused(f"{url!r} has a character that no address may have; write it percent-encoded")
    try:
        parts = parse_url(text)
    except LocationParseError:
        raise none from None
    if parts.scheme not in _DEFAULT_PORTS or not parts.host:
        raise none
    if parts.auth is not None:
        raise FetchRefused(f"{url} has a user name in it; addresses with one are not asked for")
    port = _DEFAULT_PORTS[parts.scheme] if parts.port is None else parts.port
    host, is_ip = _read_host(parts.host, url)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query is not None else "")
    literal = f"[{host}]" if ":" in host else host
    netloc = literal if port == _DEFAULT_PORTS[parts.scheme] else f"{literal}:{port}"
    site = f"{parts.scheme}://{netloc}"
    return Target(site + path, parts.scheme, host, port, path, is_ip, f"{literal}:{port}" in allow_private, site)


def _read_host(host: str, url: str) -> tuple[str, bool]:
    """The host in its usual form, and whether it is an IP address."""
    if host.startswith("["):
        try:
            return str(ipaddress.IPv6Address(host[1:-1])), True  # a zone id stays in it, and is refused later
        except ValueError:
            raise FetchRefused(f"{url} is no http or https address") from None
    if _NUMBER.search(host):
        return _read_ipv4(host, url), True
    if not _HOST.match(host):
        raise FetchRefused(f"{url}: {host!r} is no host name")
    return host, False


def _read_ipv4(host: str, url: str) -> str:
    try:
        return str(ipaddress.IPv4Address(host))
    except ValueError:
        pass
    try:
        meant = str(ipaddress.IPv4Address(socket.inet_aton(host.rstrip("."))))
    except OSError:
        raise FetchRefused(f"{url} is no http or https address: {host!r} is no IP address") from None
    if not is_public(meant):
        raise FetchRefused(f"{url} is on a private network ({meant}), in a disguise; write the address plainly")
    raise FetchRefused(f"{url} writes the IP address {meant} in an unusual form; write it plainly")


def _private(target: Target, address: str) -> FetchRefused:
    name = f"[{target.host}]" if ":" in target.host else target.host
    return FetchRefused(
        f"{target.url} is on a private network ({address}); if that is meant, name {name}:{target.port} under "
        "fetch: allow_private:"
    )
