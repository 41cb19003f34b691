"""COCO files as they should not be, made from a seed: sound ones with a few things done to them that go wrong in use,
or that somebody does on purpose.
"""

import codecs
import copy
import json
from collections.abc import Callable
from random import Random
from typing import Any

Document = dict[str, Any]
_MASK = {"size": [48, 64], "counts": "0P`1P`1"}


class Verbatim(str):
    """JSON that Python could not hold, or not write."""


_ODD_VALUES: tuple[Any, ...] = (
    None,
    True,
    "",
    "7",
    "12.5",
    "\x00",
    "\ud800",
    "x" * 5000,
    [],
    [[]],
    {},
    {"a": {"b": []}},
    0,
    -1,
    1.5,
    7.0,
    -0.0,
    1e-300,
    1e308,
    -1e308,
    2**31,
    2**53 + 1,
    2**63,
    -(2**63),
    2**64,
    10**100,
    Verbatim("1" + "0" * 5000),
    float("nan"),
    float("inf"),
    float("-inf"),
)
_NAMES = (
    "../../etc/passwd",
    "/etc/passwd",
    "C:\\Windows\\win.ini",
    "..\\..\\x.jpg",
    "sub\\7_front.jpg",
    "~/x.jpg",
    "\x00.jpg",
    "a" * 300 + ".jpg",
    "7_front.jpg",
    "link.jpg",
    "cut.jpg",
    ".",
    "",
    " ",
    "\u202egpj.exe",
    "images/../../x.jpg",
    "con\n.jpg",
    "[bold]x[/bold].jpg",
)


def hostile_file(seed: int) -> bytes:
    """A file's content; the same for the same seed."""
    chance = Random(seed)
    document = sound_document(chance)
    for _ in range(chance.choice((0, 1, 1, 1, 2, 3, 5, 9))):
        chance.choice(_CHANGES)(document, chance)
    content = _to_text(document, chance).encode("utf-8", "surrogatepass")
    for _ in range(chance.choice((0, 0, 0, 0, 0, 0, 0, 1, 1, 2))):
        content = chance.choice(_BYTE_CHANGES)(content, chance)
    return content


def sound_document(chance: Random) -> Document:
    """Two photographs, 64 x 48 pixels each, with boxes, polygons and masks, and keys that COCO does not know."""
    return {
        "info": {"year": 2026, "note": "keep me"},
        "licenses": [{"id": 1, "name": "CC BY 4.0"}],
        "categories": [{"id": 1, "name": "dent"}, {"id": 2, "name": "scratch", "supercategory": "car"}],
        "images": [
            {"id": 1, "file_name": "7_front.jpg", "width": 64, "height": 48, "family": "seven"},
            {"id": 2, "file_name": "8_rear.jpg", "width": 64, "height": 48},
        ],
        "annotations": [_annotation(number, chance) for number in range(1, chance.randint(2, 8))],
    }


def _annotation(number: int, chance: Random) -> Document:
    x, y, width, height = chance.randint(0, 30), chance.randint(0, 20), chance.randint(5, 30), chance.randint(5, 25)
    shape = chance.choice(("box", "polygon", "runs", "text"))
    if shape in ("runs", "text"):
        x, y, width, height = 0, 0, 32, 48
    segmentation = {
        "box": [],
        "polygon": [[x, y, x + width, y, x + width, y + height, x, y + height]],
        "runs": {"size": [48, 64], "counts": [0, 48 * 32, 48 * 32]},
        "text": dict(_MASK),
    }[shape]
    return {
        "id": number,
        "image_id": chance.randint(1, 2),
        "category_id": chance.randint(1, 2),
        "bbox": [x, y, width, height],
        "area": width * height,
        "segmentation": segmentation,
        "iscrowd": int(isinstance(segmentation, dict)),
        "attributes": {"occluded": "false"},
    }


def _records(document: Document, chance: Random) -> list[Any]:
    return _listed(document, chance.choice(("images", "annotations", "annotations", "annotations", "categories")))


def _listed(document: Document, key: str) -> list[Any]:
    found = document.get(key)
    return found if isinstance(found, list) else []


def _record(document: Document, chance: Random) -> Document:
    records = [record for record in _records(document, chance) if isinstance(record, dict) and record]
    return chance.choice(records) if records else {"": None}


def _odd_value(document: Document, chance: Random) -> None:
    record = _record(document, chance)
    record[chance.choice(list(record))] = chance.choice(_ODD_VALUES)


def _odd_number(document: Document, chance: Random) -> None:
    lists = [value for value in _record(document, chance).values() if isinstance(value, list) and value]
    if lists:
        found = chance.choice(lists)
        found = found[0] if isinstance(found[0], list) and found[0] else found
        found[chance.randrange(len(found))] = chance.choice((*_ODD_VALUES, chance.uniform(-200, 200)))


def _length(document: Document, chance: Random) -> None:
    lists = [value for value in _record(document, chance).values() if isinstance(value, list) and value]
    if lists:
        found = chance.choice(lists)
        found = found[0] if isinstance(found[0], list) and chance.random() < 0.7 else found
        found[chance.randint(0, len(found)) :] = [chance.uniform(-99, 99)] * chance.randint(0, 3)


def _drop_key(document: Document, chance: Random) -> None:
    record = _record(document, chance)
    del record[chance.choice(list(record))]


def _swap_ids(document: Document, chance: Random) -> None:
    record = _record(document, chance)
    key = chance.choice(("id", "image_id", "category_id"))
    record[key] = chance.choice((0, 1, 2, 3, 99, "1", "dent", 2.0, [1], {"id": 1}, None, -5))


def _odd_record(document: Document, chance: Random) -> None:
    records = _records(document, chance)
    records.insert(chance.randint(0, len(records)), chance.choice(_ODD_VALUES))


def _repeat(document: Document, chance: Random) -> None:
    records = _records(document, chance)
    if records:
        again = copy.deepcopy(chance.choice(records))
        if isinstance(again, dict) and chance.random() < 0.6:
            again["id"] = chance.choice((again.get("id"), 77, 78))
            again["extra"] = {"of": "the copy"}
        records.append(again)


def _file_name(document: Document, chance: Random) -> None:
    images = [image for image in _listed(document, "images") if isinstance(image, dict)]
    if images:
        chance.choice(images)["file_name"] = chance.choice(_NAMES)


def _category_name(document: Document, chance: Random) -> None:
    categories = [entry for entry in _listed(document, "categories") if isinstance(entry, dict)]
    if categories:
        chance.choice(categories)["name"] = chance.choice(
            ("dent", "Dent", "", " ", 5, None, "category 2", "\ud83d", "é")
        )


def _mask(document: Document, chance: Random) -> None:
    record = _record(document, chance)
    counts = chance.choice(
        (
            "",
            "0P`1P`1",
            "".join(chr(chance.randint(32, 127)) for _ in range(chance.randint(1, 60))),
            "o" * 2000,
            "é",
            [],
            [-1, 3073],
            [0, 10**30],
            [1.5, 2],
            ["a"],
            [0, 48 * 64],
            [[1]],
            None,
            [1] * 5000,
        )
    )
    size = chance.choice(([48, 64], [64, 48], [0, 0], [-1, 5], [2**40, 2**40], [48], "48x64", None, [48.0, 64.0]))
    record["segmentation"] = chance.choice(
        ({"size": size, "counts": counts}, {"size": [48, 64], "counts": counts}, {"counts": counts})
    )
    record["iscrowd"] = chance.choice((0, 1, 1, 2, "1", True))


def _nested(document: Document, chance: Random) -> None:
    depth = chance.choice((50, 100, 200, 300, 400, 600, 900, 980, 990, 1000, 200_000))
    value = chance.choice((Verbatim("[" * depth + "]" * depth), Verbatim('{"a":' * depth + "[]" + "}" * depth)))
    place = chance.choice((document, _record(document, chance)))
    place[chance.choice(("deep", "segmentation", "bbox", "info"))] = value


def _section(document: Document, chance: Random) -> None:
    key = chance.choice(("images", "annotations", "categories"))
    document[key] = chance.choice((None, {}, [], "x", 5, {"1": {"id": 1}}))
    if chance.random() < 0.5:
        del document[key]


def _many(document: Document, chance: Random) -> None:
    kind = chance.choice(("categories", "annotations", "annotations", "points", "points"))
    if kind == "categories":
        document["categories"] = [{"id": number, "name": str(number)} for number in range(20_001)]
    elif kind == "annotations":
        document["annotations"] = [_annotation(number, chance) for number in range(500)]
    else:
        points = [chance.uniform(-10, 80) for _ in range(6000)]
        _record(document, chance)["segmentation"] = [points]


def _extras(document: Document, chance: Random) -> None:
    place = chance.choice((document, _record(document, chance)))
    place[chance.choice(("x", "tags", "neg_category_ids", "split", "bbox_mode"))] = chance.choice(_ODD_VALUES)


_CHANGES: tuple[Callable[[Document, Random], None], ...] = (
    *(_odd_value, _odd_number, _length, _drop_key, _swap_ids, _odd_record, _repeat, _file_name, _category_name),
    *(_mask, _nested, _section, _extras, _odd_value, _odd_number, _swap_ids, _mask),
    _many,
)


def _to_text(document: Document, chance: Random) -> str:
    def encode(value: Any) -> str:
        if isinstance(value, Verbatim):
            return value
        if isinstance(value, dict):
            pairs = [f"{json.dumps(key)}: {encode(inner)}" for key, inner in value.items()]
            if pairs and chance.random() < repeats:
                pairs.append(
                    f"{json.dumps(chance.choice(list(value)))}: {json.dumps(chance.choice((0, 'x', [], None)))}"
                )
            return "{" + ", ".join(pairs) + "}"
        if isinstance(value, list):
            return "[" + ", ".join(encode(inner) for inner in value) + "]"
        return json.dumps(value, ensure_ascii=chance.random() < 0.9 or _is_broken(value))

    repeats = 0.05 if chance.random() < 0.1 else 0.0
    return encode(document)


def _is_broken(value: Any) -> bool:
    return isinstance(value, str) and any("\ud800" <= char <= "\udfff" for char in value)


def _cut(content: bytes, chance: Random) -> bytes:
    return content[: chance.randint(0, len(content))]


def _flip(content: bytes, chance: Random) -> bytes:
    changed = bytearray(content)
    for _ in range(chance.choice((1, 1, 3, 20))):
        if changed:
            changed[chance.randrange(len(changed))] ^= 1 << chance.randrange(8)
    return bytes(changed)


def _insert(content: bytes, chance: Random) -> bytes:
    place = chance.randint(0, len(content))
    parts = (b"NaN", b"-Infinity", b"1e999", b"\xff\xfe", b"\x00", b"{", b"]" * 9, b'"', b"[" * 3000, b"//", b",,")
    return content[:place] + chance.choice(parts) + content[place:]


def _number_text(content: bytes, chance: Random) -> bytes:
    texts = (b"NaN", b"Infinity", b"-Infinity", b"1e999", b"-1e999", b"0x10", b"1" * 5000, b"1.", b"-0", b"1E+2", b"01")
    digits = [place for place in range(1, len(content)) if content[place : place + 1] == b"4"]
    if not digits:
        return content
    place = chance.choice(digits)
    return content[:place] + chance.choice(texts) + content[place + 1 :]


def _encoding(content: bytes, chance: Random) -> bytes:
    text = content.decode("utf-8", "replace")
    name = chance.choice(("utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-8-sig", "latin-1", "utf-7", "utf-32-be"))
    if chance.random() < 0.2:
        return codecs.BOM_UTF16_LE + content
    return text.replace("dent", "Delle é").encode(name, "replace")


def _repeat_bytes(content: bytes, chance: Random) -> bytes:
    return content + chance.choice((content, b" ", b"\n\n", b"x", b"\x00" * 10, content[: len(content) // 2]))


_BYTE_CHANGES: tuple[Callable[[bytes, Random], bytes], ...] = (
    *(_cut, _flip, _insert, _number_text, _number_text, _encoding, _repeat_bytes),
)
