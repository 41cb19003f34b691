"""Files in pieces, by TUS (https://tus.io) as CVAT speaks it."""

import base64
import binascii
import re
from dataclasses import dataclass
from email.header import Header
from pathlib import Path

from fastapi import Request, Response

from cvat.embedded.errors import BadRequest
from cvat.embedded.forms import read_stream

_VERSION = {"Tus-Resumable": "1.0.0"}


@dataclass(frozen=True)
class TusFile:
    """A file on its way in: complete when it has `length` bytes."""

    name: str
    path: Path
    length: int

    @property
    def size(self) -> int:
        """How many bytes have arrived."""
        return self.path.stat().st_size

    def check_complete(self) -> None:
        """Raises BadRequest where bytes are missing."""
        if self.size != self.length:
            sentence = f"{self.name}: {self.size} of {self.length} bytes have arrived; send the rest."
            raise BadRequest({"detail": sentence})


def is_creation(request: Request) -> bool:
    """Whether a request begins a file."""
    return "upload-length" in request.headers


def announced(request: Request) -> tuple[str, int]:
    """The name and length of the file that a request begins. Raises BadRequest."""
    length, metadata = request.headers["upload-length"], request.headers.get("upload-metadata", "")
    if not length.isascii() or not length.isdigit():
        raise BadRequest({"detail": "The Upload-Length header is not a number of bytes."})
    return base_name(_read_metadata(metadata).get("filename", "")), int(length)


def created(name: str, location: str) -> Response:
    """The answer to the creation of a file."""
    shown = name if name.isascii() else Header(name, "utf-8").encode(maxlinelen=0)
    return Response(status_code=201, headers={**_VERSION, "Location": location, "Upload-Filename": shown})


def progress(file: TusFile) -> Response:
    """How much of a file has arrived."""
    numbers = {"Upload-Offset": str(file.size), "Upload-Length": str(file.length)}
    return Response(headers={**_VERSION, **numbers, "Cache-Control": "no-store"})


async def add_piece(file: TusFile, request: Request) -> Response:
    """Take the next piece of a file. One that breaks off counts as far as it came."""
    size = file.size
    if request.headers.get("upload-offset") != str(size):
        return Response(status_code=409, headers={**_VERSION, "Upload-Offset": str(size)})
    # Not opened for appending: should the same piece come twice at once, both write the same bytes to the same place.
    with file.path.open("r+b", buffering=0) as opened:
        opened.seek(size)

        def write(piece: bytes) -> None:
            if opened.tell() + len(piece) > file.length:
                raise BadRequest({"detail": f"{file.name}: more than the {file.length} bytes announced."})
            opened.write(piece)

        try:
            await read_stream(request, write)
        except OSError:
            opened.truncate(size)  # with the last byte of a disk gone, nothing could be deleted from it either
            raise
        return Response(status_code=204, headers={**_VERSION, "Upload-Offset": str(opened.tell())})


def base_name(name: str) -> str:
    """The last part of a path as any system writes it. Raises BadRequest where nothing is left."""
    last = re.split(r"[\\/]", name)[-1]
    if last in ("", ".", ".."):
        raise BadRequest({"client_files": [f"{name!r} is no name of a file."]})
    return last


def _read_metadata(header: str) -> dict[str, str]:
    pairs = [item.strip().partition(" ") for item in header.split(",")]
    try:
        return {key: base64.b64decode(value, validate=True).decode() for key, _, value in pairs}
    except (binascii.Error, UnicodeDecodeError):
        raise BadRequest({"detail": "The Upload-Metadata header is not base64."}) from None
