"""From a file's bytes to JSON, however odd: encodings, cut files, NaN, keys given twice, half characters.

Well-formed files never come here beyond `to_utf8`; the rest is Python's own json module, the most forgiving reader.
"""

import codecs
import json
import math
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeGuard

from datasets.validation.findings import Notes

_STRING_OR_CONSTANT = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"|(-?Infinity|NaN)', re.DOTALL)
_MAYBE_TOO_LARGE = re.compile(rb"[eE]\+?\d{3}|\d{309}")
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")
_WIDE = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
    (codecs.BOM_UTF8, "utf-8-sig"),
)
_MOST_DIGITS = 400
MOST = 1e12
_BROKEN_BYTES = {0xDC00 + byte: chr(byte) for byte in range(0x80, 0x100)}


class RepeatedKeys(dict[str, Any]):
    """A JSON object in which keys were given twice; `earlier` holds the values that lost."""

    earlier: dict[str, list[Any]]


def to_utf8(content: bytes, notes: Notes) -> bytes:
    """The same text as plain UTF-8. What is no text in any encoding is read as Latin-1, byte by byte, and told."""
    name = next((name for mark, name in _WIDE if content.startswith(mark)), None) or _without_mark(content)
    if name is None:
        return _mend_bytes(content, notes)
    try:
        text = content.decode(name)
    except UnicodeDecodeError as error:
        notes.add("json-broken", f"bytes {error.start} to {error.end} are not {name}")
        return b""
    notes.add("json-encoding", f"the file is {name.upper()}, from its first bytes")
    return text.encode("utf-8", "surrogatepass")


def _without_mark(content: bytes) -> str | None:
    """UTF-16 or UTF-32 without a byte order mark shows in the zero bytes around its first, ASCII, character."""
    zeros = tuple(byte == 0 for byte in content[:4])
    patterns: dict[tuple[bool, ...], str] = {
        (False, True, True, True): "utf-32-le",
        (True, True, True, False): "utf-32-be",
        (False, True, False, True): "utf-16-le",
        (True, False, True, False): "utf-16-be",
    }
    return patterns.get(zeros)


def _mend_bytes(content: bytes, notes: Notes) -> bytes:
    try:
        if not content.isascii():
            content.decode()
        return content
    except UnicodeDecodeError as error:
        notes.add("json-encoding", f"byte {error.start} (0x{content[error.start]:02x}) is not UTF-8; read as Latin-1")
        return content.decode("utf-8", "surrogateescape").translate(_BROKEN_BYTES).encode()


def parse_tolerantly(content: bytes, notes: Notes) -> Any:
    """The JSON in UTF-8 bytes, with NaN and Infinity as floats and objects with repeated keys as RepeatedKeys.

    Raises:
        ValueError: it is no JSON; `notes` has the reason.
    """
    text = content.decode("utf-8", "surrogatepass")
    try:
        if _MAYBE_TOO_LARGE.search(content):  # reading numbers one by one costs time
            read_int, read_float = _numbers(int, notes), _numbers(float, notes)
            value = json.loads(text, parse_int=read_int, parse_float=read_float, object_pairs_hook=_object)
        else:
            value = json.loads(text, object_pairs_hook=_object)
    except RecursionError:
        notes.add("json-too-deep", "values are nested more deeply than a reader can follow")
        raise ValueError("too deep") from None
    except json.JSONDecodeError as error:
        offset = len(text[: error.pos].encode("utf-8", "surrogatepass"))
        cut = error.pos >= len(text.rstrip()) or error.msg.startswith("Unterminated string")
        place = f"at byte {offset} of {len(content)}: {error.msg}"
        notes.add("json-cut-short" if cut else "json-broken", place)
        raise ValueError(place) from None
    _tell_constants(content, notes)
    return value


def parse_piece(content: bytes) -> Any:
    """The value in JSON that a reader took as sound before; numbers too large are infinite."""
    try:
        return json.loads(content, parse_int=_numbers(int, Notes("")))
    except RecursionError:
        return math.inf


def _numbers(kind: type[int] | type[float], notes: Notes) -> Callable[[str], int | float]:
    """A reader of numbers that takes those too large for any float as infinite, and tells."""

    def parse(digits: str) -> int | float:
        value = kind(digits) if kind is float or len(digits) <= _MOST_DIGITS else math.inf
        if math.isinf(value if kind is float or len(digits) > _MOST_DIGITS else 0):
            notes.add("json-nan", f"{digits[:40]} is too large a number")
        return value

    return parse


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) == len(pairs):
        return value
    repeated = RepeatedKeys(value)
    repeated.earlier = {}
    last = {key: number for number, (key, _) in enumerate(pairs)}
    for number, (key, lost) in enumerate(pairs):
        if number != last[key]:
            repeated.earlier.setdefault(key, []).append(lost)
    return repeated


def _tell_constants(content: bytes, notes: Notes) -> None:
    if b"NaN" in content or b"Infinity" in content:
        for match in _STRING_OR_CONSTANT.finditer(content):
            if match[1]:
                notes.add("json-nan", f"{match[1].decode()} at byte {match.start()}")


def repeats_any(content: bytes, keys: Iterable[str], most: int) -> bool:
    """Whether any of the keys stands in JSON more than `most` times."""
    return any(content.count(f'"{key}"'.encode()) > most for key in keys)


Container = dict[str, Any] | list[Any]
Path = tuple[Any, ...]


def walk(value: Any) -> Iterator[tuple[Path, Container]]:
    """Every object and list inside, with its place for `written`."""
    waiting: list[tuple[Path, Any]] = [((), value)]
    while waiting:
        path, found = waiting.pop()
        if isinstance(found, dict):
            yield path, found
            waiting += [((path, key), inner) for key, inner in found.items() if isinstance(inner, dict | list)]
        elif isinstance(found, list):
            yield path, found
            waiting += [((path, number), inner) for number, inner in enumerate(found) if isinstance(inner, dict | list)]


def items(container: Container) -> Iterable[tuple[Any, Any]]:
    """Keys or numbers, with the values."""
    return container.items() if isinstance(container, dict) else enumerate(container)


def written(path: Path, *last: Any) -> str:
    """A place as a JSON path, such as `annotations[17].bbox`; `last` are steps further down."""
    steps = list(last)
    while path:
        path, step = path
        steps.insert(0, step)
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in steps).removeprefix(".")


def tell_oddities(value: Any, notes: Notes) -> None:
    """Note keys given twice and half characters, wherever they are."""
    for path, container in walk(value):
        if isinstance(container, RepeatedKeys):
            for key, earlier in container.earlier.items():
                detail = f"{ascii(written(path, key))[:80]} is given {len(earlier) + 1} times"
                notes.add("json-duplicate-key", detail)
        for key, inner in items(container):
            for found in (key, inner):
                if isinstance(found, str) and is_broken_text(found):
                    place = ascii(written(path, key))[:80]
                    notes.add("json-lone-surrogate", f"at {place}: {found[:40]!a}")


def is_broken_text(text: str) -> bool:
    """Whether a text holds half of a surrogate pair, which no file can be written with."""
    return _LONE_SURROGATE.search(text) is not None


def is_number(value: Any) -> bool:
    """Whether it is a JSON number (true and false are none)."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def is_finite(value: Any) -> TypeGuard[float]:
    """Whether it is a number that can be a place or a size: neither NaN nor beyond MOST."""
    return is_number(value) and abs(value) <= MOST
