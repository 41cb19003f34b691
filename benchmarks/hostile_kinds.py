"""Kinds of hostile requests, as the bytes that go over the wire. A chooser decides what differs within a kind."""

import base64
import json
import struct
import time
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from io import BytesIO
from random import Random

from PIL import Image

_BIG = 40_000_000
_LIMIT = 33_554_432
_SIDE = 30_000


@dataclass(frozen=True)
class Pause:
    """How long a client waits after each piece that it sends."""

    seconds: float = 0

    def wait(self) -> None:
        if self.seconds:
            time.sleep(self.seconds)


@dataclass(frozen=True)
class Hostile:
    """The pieces of a request, with a pause after each; a client that leaves does not wait for the answer."""

    pieces: tuple[bytes, ...]
    pause: Pause = Pause()
    leaves: bool = False


Kind = Callable[[Random, bytes], Hostile]


def request(body: bytes, *, content_type: str = "application/json", declared: int | None = None) -> bytes:
    """An HTTP request with that body, which may claim another length."""
    length = len(body) if declared is None else declared
    head = f"POST / HTTP/1.1\r\nhost: here\r\ncontent-type: {content_type}\r\ncontent-length: {length}\r\n\r\n"
    return head.encode() + body


def _json(value: object) -> Hostile:
    return Hostile((request(json.dumps(value).encode()),))


def _image(content: bytes, **more: object) -> Hostile:
    return _json({"image": base64.b64encode(content).decode(), **more})


def _encoded(photo: bytes) -> str:
    return base64.b64encode(photo).decode()


def truncated_base64(chooser: Random, photo: bytes) -> Hostile:
    text = _encoded(photo)
    return _json({"image": text[: 4 * chooser.randrange(len(text) // 4) + chooser.randint(1, 3)]})


def no_base64(chooser: Random, photo: bytes) -> Hostile:
    return _json({"image": "".join(chooser.choices("!?*_-ä\u0000 \n", k=chooser.randint(1, 1000)))})


def truncated_jpeg(chooser: Random, photo: bytes) -> Hostile:
    return _image(photo[: chooser.randrange(2, len(photo) - 2)])


def damaged_jpeg(chooser: Random, photo: bytes) -> Hostile:
    damaged = bytearray(photo)
    for _ in range(20):
        damaged[chooser.randrange(len(damaged))] = chooser.randrange(256)
    return _image(bytes(damaged))


def random_bytes(chooser: Random, photo: bytes) -> Hostile:
    return _image(chooser.randbytes(chooser.randrange(10_000)))


def body_over_the_limit(chooser: Random, photo: bytes) -> Hostile:
    return Hostile((request(b"x" * _BIG),))


def image_over_the_limit(chooser: Random, photo: bytes) -> Hostile:
    return Hostile((request(b'{"image": "' + b"QUJD" * (_BIG // 4) + b'"}'),))


def image_just_within_the_limit(chooser: Random, photo: bytes) -> Hostile:
    return Hostile((request(b'{"image": "' + b"QUJD" * ((_LIMIT - 100) // 4) + b'"}'),))


def length_over_the_limit(chooser: Random, photo: bytes) -> Hostile:
    return Hostile((request(b"{}", declared=10 ** chooser.randint(9, 15)),))


def wrong_types(chooser: Random, photo: bytes) -> Hostile:
    wrong = chooser.choice([7, None, True, [], {}, ["QUJD"], {"image": "QUJD"}, 1.5])
    field = chooser.choice(["image", "threshold"])
    return _json({"image": _encoded(photo), field: "0.5" if field == "threshold" and wrong is None else wrong})


def no_object(chooser: Random, photo: bytes) -> Hostile:
    return _json(chooser.choice([[], "text", 7, None, True, [{"image": _encoded(photo)}]]))


def impossible_threshold(chooser: Random, photo: bytes) -> Hostile:
    threshold = chooser.choice(["NaN", "Infinity", "-Infinity", "1e999", "-0.1", "1.1", '"NaN"', "1" * 400])
    return Hostile((request(f'{{"image": "{_encoded(photo)}", "threshold": {threshold}}}'.encode()),))


def deep_json(chooser: Random, photo: bytes) -> Hostile:
    depth = chooser.randint(1_000, 1_000_000)
    opening = chooser.choice([b"[", b'{"image":'])
    return Hostile((request(opening * depth),))


def invalid_utf8(chooser: Random, photo: bytes) -> Hostile:
    return Hostile((request(b'{"image": "' + bytes([chooser.randint(0x80, 0xFF)]) * 10 + b'"}'),))


def other_content_type(chooser: Random, photo: bytes) -> Hostile:
    kind = chooser.choice(["text/plain", "multipart/form-data; boundary=x", "image/jpeg", "application/x-msgpack", ""])
    return Hostile((request(chooser.choice([photo, b"", b"\x00" * 1000]), content_type=kind),))


def png_bomb(chooser: Random, photo: bytes) -> Hostile:
    """A PNG of 900 million pixels in a few hundred kilobytes."""
    return _image(_png_of_many_pixels())


@cache
def _png_of_many_pixels() -> bytes:
    row = b"\x00" + b"\x00" * (_SIDE // 8)
    packer = zlib.compressobj(9)
    packed = b"".join(packer.compress(row * 1000) for _ in range(_SIDE // 1000)) + packer.flush()
    header = struct.pack(">IIBBBBB", _SIDE, _SIDE, 1, 0, 0, 0, 0)
    parts = ((b"IHDR", header), (b"IDAT", packed), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_png_part(kind, content) for kind, content in parts)


def png_text_bomb(chooser: Random, photo: bytes) -> Hostile:
    """A small PNG with a compressed text of a hundred megabytes."""
    return _image(_png_of_long_text())


@cache
def _png_of_long_text() -> bytes:
    text = b"bomb\x00\x00" + zlib.compress(b"\x00" * 100_000_000, 9)
    content = BytesIO()
    Image.new("L", (8, 8)).save(content, "PNG")
    plain = content.getvalue()
    return plain[:33] + _png_part(b"zTXt", text) + plain[33:]


def _png_part(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def huge_gif(chooser: Random, photo: bytes) -> Hostile:
    """A GIF that claims a screen of 65,535 pixels square."""
    content = BytesIO()
    Image.new("P", (8, 8)).save(content, "GIF")
    plain = bytearray(content.getvalue())
    plain[6:10] = struct.pack("<HH", 65_535, 65_535)
    return _image(bytes(plain))


def tiff(chooser: Random, photo: bytes) -> Hostile:
    """A TIFF whose directory claims a picture of any size, or points to itself."""
    content = BytesIO()
    Image.new("RGB", (64, 64)).save(content, "TIFF", compression=chooser.choice([None, "tiff_lzw", "tiff_deflate"]))
    damaged = bytearray(content.getvalue())
    for _ in range(chooser.randrange(30)):
        damaged[chooser.randrange(4, len(damaged))] = chooser.randrange(256)
    return _image(bytes(damaged))


def fits(chooser: Random, photo: bytes) -> Hostile:
    """A FITS header that claims a picture of 4 gigapixels."""
    cards = ("SIMPLE  =                    T", "BITPIX  =                    8", "NAXIS   =                    2")
    sides = ("NAXIS1  =                65536", "NAXIS2  =                65536", "END")
    return _image("".join(f"{card:<80}" for card in (*cards, *sides)).ljust(2880).encode())


def other_formats(chooser: Random, photo: bytes) -> Hostile:
    """What Pillow would hand to other programs or old decoders: PostScript, icons, PCX, SGI, TGA, PPM of great size."""
    starts = (
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 100000 100000\n%%EndComments\n",
        b"P6 100000 100000 255\n",
        b"\x00\x00\x01\x00\xff\xff" + b"\xff" * 100,
        b"\x0a\x05\x01\x08" + b"\xff" * 124,
        b"\x01\xda\x01\x01\x00\x03\xff\xff\xff\xff\x00\x03" + b"\xff" * 500,
        b"8BPS\x00\x01" + b"\x00" * 6 + b"\x00\x03\xff\xff\xff\xff\xff\xff\xff\xff\x00\x08\x00\x03",
    )
    return _image(chooser.choice(starts))


def dropped_in_the_head(chooser: Random, photo: bytes) -> Hostile:
    whole = request(b"{}")
    return Hostile((whole[: chooser.randrange(1, 60)],), leaves=True)


def dropped_in_the_body(chooser: Random, photo: bytes) -> Hostile:
    whole = request(json.dumps({"image": _encoded(photo)}).encode())
    return Hostile((whole[: chooser.randrange(200, len(whole) - 1)],), leaves=True)


def dropped_before_the_answer(chooser: Random, photo: bytes) -> Hostile:
    return Hostile((request(json.dumps({"image": _encoded(photo)}).encode()),), leaves=True)


def slow(chooser: Random, photo: bytes) -> Hostile:
    """A good request in ten pieces over a second."""
    whole = request(json.dumps({"image": _encoded(photo)}).encode())
    step = len(whole) // 10 + 1
    return Hostile(tuple(whole[at : at + step] for at in range(0, len(whole), step)), Pause(0.1))


def no_http(chooser: Random, photo: bytes) -> Hostile:
    return Hostile(
        (chooser.choice([b"\x16\x03\x01\x02\x00", b"GET\r\n\r\n", b"POST / HTTP/9.9\r\n\r\n"]) + b"\r\n\r\n",)
    )


KINDS: Mapping[str, Kind] = {
    kind.__name__.replace("_", " "): kind
    for kind in (
        *(truncated_base64, no_base64, truncated_jpeg, damaged_jpeg, random_bytes),
        *(body_over_the_limit, image_over_the_limit, image_just_within_the_limit, length_over_the_limit),
        *(wrong_types, no_object, impossible_threshold, deep_json, invalid_utf8, other_content_type),
        *(png_bomb, png_text_bomb, huge_gif, tiff, fits, other_formats),
        *(dropped_in_the_head, dropped_in_the_body, dropped_before_the_answer, slow, no_http),
    )
}
