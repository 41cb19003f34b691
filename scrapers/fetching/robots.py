"""robots.txt by RFC 9309, with Google's answers to what the RFC leaves open.

Where its rules compare differently with and without percent-encoding, both readings must allow an address: rules are
written by people, and the careful reading offends nobody.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import quote, unquote_to_bytes

MAX_BYTES = 500 * 1024
"""What is read of a robots.txt; the rest is not there (RFC 9309, 2.5)."""
_MAX_LINE_BYTES = 2083 * 8 - 1
_KEEP = "".join(map(chr, range(33, 127)))
_LINE_ENDS = re.compile(rb"\r\n|\r|\n")
_FIELDS = {
    "user-agent": "agent",
    "useragent": "agent",
    "user agent": "agent",
    "allow": "allow",
    "disallow": "disallow",
    "dissallow": "disallow",
    "dissalow": "disallow",
    "disalow": "disallow",
    "diasllow": "disallow",
    "disallaw": "disallow",
    "crawl-delay": "delay",
    "crawl delay": "delay",
}
_TOKEN = re.compile(r"[a-zA-Z_-]+")
_RESERVED = re.compile(rb"[^A-Za-z0-9\-._~]")


@dataclass(frozen=True, slots=True)
class _Rule:
    """One Allow or Disallow; of several that match, the longest counts, and Allow of two that are equally long."""

    pattern: str
    allows: bool

    def matches(self, path: str) -> bool:
        """Each part between stars is looked for where the last one ended: no pattern takes long."""
        first, *parts = self.pattern.removesuffix("$").split("*")
        if not path.startswith(first):
            return False
        at = len(first)
        for part in parts:
            at = path.find(part, at) + len(part)
            if at < len(part):
                return False
        if not self.pattern.endswith("$"):
            return True
        return path.endswith(parts[-1]) if parts else at == len(path)


@dataclass(frozen=True, slots=True)
class Rules:
    """What one robots.txt says to one robot: literally, and with percent-encoding evened out."""

    literal: tuple[_Rule, ...] = ()
    normal: tuple[_Rule, ...] = ()
    crawl_delay_s: float | None = None

    def allow(self, path: str) -> bool:
        """Whether a path with its query, as in `/a?b=c`, may be asked for."""
        if not self.literal or path == "/robots.txt":
            return True
        return _allows(self.literal, path) and _allows(self.normal, _normal(path))


def read_rules(content: bytes, *, agent: str) -> Rules:
    """The rules for a robot, by its product token as in `carloop`, or those for `*` where there are none."""
    own: list[tuple[str, str]] = []
    others: list[tuple[str, str]] = []
    is_known = False
    in_agents = own_group = global_group = False
    for field, value in _lines(content[:MAX_BYTES]):
        if field == "agent":
            if not in_agents:
                own_group = global_group = False
            in_agents = True
            names_own = _names(value, agent)
            is_known |= names_own
            own_group |= names_own
            global_group |= value == "*" or value.startswith("* ")
            continue
        if field != "delay":
            in_agents = False
        if own_group:
            own.append((field, value))
        elif global_group:
            others.append((field, value))
    return _rules(own if is_known else others)


@lru_cache(maxsize=16)
def product_token(user_agent: str) -> str:
    """The name that a robots.txt knows a robot by: the beginning of its User-Agent."""
    found = _TOKEN.match(user_agent)
    return found.group() if found else ""


def _lines(content: bytes) -> Iterable[tuple[str, str]]:
    for line in _LINE_ENDS.split(_without_mark(content)):
        text = line[:_MAX_LINE_BYTES].decode(errors="surrogateescape").partition("#")[0].strip()
        name, colon, value = text.partition(":")
        if not colon:
            name, _, value = text.replace("\t", " ").partition(" ")
            if " " in value.strip():
                continue
        field = _FIELDS.get(name.strip().lower())
        if field:
            yield field, value.strip()


def _without_mark(content: bytes) -> bytes:
    """Without the byte order mark of UTF-8, or the beginning of one."""
    for mark in (b"\xef\xbb\xbf", b"\xef\xbb", b"\xef"):
        if content.startswith(mark):
            return content[len(mark) :]
    return content


def _names(value: str, agent: str) -> bool:
    token = _TOKEN.match(value)
    return token is not None and bool(agent) and token.group().lower() == agent.lower()


def _rules(lines: Iterable[tuple[str, str]]) -> Rules:
    rules, delay = [], None
    for field, value in lines:
        if field == "delay":
            delay = _seconds(value) if delay is None else delay
        elif value:
            rules.append(_Rule(_escaped(value), allows=field == "allow"))
            if field == "allow" and value.endswith("/index.html"):
                rules.append(_Rule(_escaped(value.removesuffix("index.html")) + "$", allows=True))
    rules.sort(key=lambda rule: (-len(rule.pattern), not rule.allows))
    normal = tuple(_Rule(_normal(rule.pattern), rule.allows) for rule in rules)
    return Rules(tuple(rules), normal, delay)


def _allows(rules: Iterable[_Rule], path: str) -> bool:
    return next((rule.allows for rule in rules if rule.matches(path)), True)


def _seconds(value: str) -> float | None:
    try:
        seconds = float(value)
    except ValueError:
        return None
    return seconds if 0 <= seconds < float("inf") else None


def _escaped(pattern: str) -> str:
    """What is outside US-ASCII percent-encoded, and hexadecimal digits in capitals."""
    octets = pattern.encode(errors="surrogateescape")
    return re.sub("%[0-9a-fA-F]{2}", lambda found: found.group().upper(), quote(octets, safe=_KEEP))


def _normal(path: str) -> str:
    """Percent-encoding undone where it encodes nothing that has a meaning, and done where it is missing."""
    return re.sub("%[0-9a-fA-F]{2}", _plain, quote(path, safe=_KEEP))


def _plain(found: re.Match[str]) -> str:
    octet = unquote_to_bytes(found.group())
    return found.group().upper() if _RESERVED.match(octet) else octet.decode()
