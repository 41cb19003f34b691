"""Forms with many files, as CVAT's clients send them. Files go to disk as they come in, so that size is no matter."""

import re
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from json import JSONDecodeError
from pathlib import Path
from typing import IO, Any
from urllib.parse import unquote

from fastapi import Request
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from cvat.embedded.errors import BadRequest
from cvat.embedded.store import Store

#: Plain fields are kept in memory; a list of some 100,000 file names fits.
MAX_FIELDS_BYTES = 32 * 2**20


@dataclass
class Form:
    """Plain fields (`name[0]`, `name[1]` are one list), and name and place of each file in the order sent."""

    fields: dict[str, Any] = field(default_factory=dict)
    files: list[tuple[str, Path]] = field(default_factory=list)

    def remove_files(self) -> None:
        """Remove the files that were not kept."""
        for _name, path in self.files:
            path.unlink(missing_ok=True)


async def read_form(request: Request, store: Store) -> Form:
    """Read a multipart or JSON body; the files are in the store's `incoming`, for the caller to keep or remove.

    Raises:
        BadRequest: the body cannot be read.
    """
    kind, options = parse_options_header(request.headers.get("content-type"))
    try:
        if kind == b"multipart/form-data":
            return await _read_multipart(request, options.get(b"boundary", b""), store)
        fields = await request.json() if await request.body() else {}
    except (FormParserError, JSONDecodeError, UnicodeDecodeError) as error:
        raise BadRequest({"detail": f"Parse error - {error}"}) from None
    if not isinstance(fields, dict):
        raise BadRequest({"non_field_errors": ["Invalid data. Expected a dictionary."]})
    return Form(fields=fields)


async def read_stream(request: Request, write: Callable[[bytes], object]) -> None:
    """Hand on a body in pieces: to its end, even if `write` fails, as a client that still sends reads no answer."""
    pieces = request.stream()
    try:
        async for piece in pieces:
            write(piece)
    except Exception:
        async for _ in pieces:
            pass
        raise


async def _read_multipart(request: Request, boundary: bytes, store: Store) -> Form:
    with _Receiver(store) as receiver:
        parser = MultipartParser(
            boundary,
            {
                "on_part_begin": receiver.begin_part,
                "on_header_field": receiver.add_header_name,
                "on_header_value": receiver.add_header_value,
                "on_header_end": receiver.end_header,
                "on_headers_finished": receiver.begin_content,
                "on_part_data": receiver.add_content,
                "on_part_end": receiver.end_part,
            },
        )
        await read_stream(request, parser.write)
        parser.finalize()
        return receiver.form()


class _Receiver:
    """Takes a form apart, as told by the parser; what it wrote goes away if reading ends with an error."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._fields: list[tuple[str, bytearray]] = []
        self._files: list[tuple[str, Path]] = []
        self._size = 0
        self._content: IO[bytes] | bytearray = bytearray()

    def __enter__(self) -> "_Receiver":
        self._open = ExitStack()
        return self

    def __exit__(self, error: object, *_: object) -> None:
        self._open.close()
        if error is not None:
            Form(files=self._files).remove_files()

    def form(self) -> Form:
        """What was read."""
        return Form(fields=_joined([(name, bytes(value).decode()) for name, value in self._fields]), files=self._files)

    def begin_part(self) -> None:
        self._disposition, self._header, self._value = b"", bytearray(), bytearray()

    def add_header_name(self, piece: bytes, start: int, end: int) -> None:
        self._header += piece[start:end]

    def add_header_value(self, piece: bytes, start: int, end: int) -> None:
        self._value += piece[start:end]

    def end_header(self) -> None:
        if self._header.lower() == b"content-disposition":
            self._disposition = bytes(self._value)
        self._header, self._value = bytearray(), bytearray()

    def begin_content(self) -> None:
        name, filename = _names(self._disposition)
        if filename is None:
            self._content = bytearray()
            self._fields.append((name, self._content))
        else:
            path = self._store.incoming_file()
            self._files.append((filename, path))
            self._content = self._open.enter_context(path.open("wb", buffering=0))

    def add_content(self, piece: bytes, start: int, end: int) -> None:
        if not isinstance(self._content, bytearray):
            self._content.write(memoryview(piece)[start:end])
            return
        self._content += piece[start:end]
        self._size += end - start
        if self._size > MAX_FIELDS_BYTES:
            raise BadRequest({"detail": f"The fields of the form have more than {MAX_FIELDS_BYTES} bytes."})

    def end_part(self) -> None:
        self._open.close()


def _names(disposition: bytes) -> tuple[str, str | None]:
    """The names of the field and of its file; older clients put names beyond ASCII into `filename*`."""
    _, options = parse_options_header(disposition)
    name = options.get(b"name", b"").decode()
    extended = re.search(rb"filename\*=utf-8''([^;]+)", disposition, re.IGNORECASE)
    if extended:
        return name, unquote(extended[1].decode())
    filename = options.get(b"filename")
    return name, filename.decode() if filename is not None else None


def _joined(pairs: list[tuple[str, str]]) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    for name, value in pairs:
        indexed = re.fullmatch(r"(\w+)\[\d*\]", name)
        if indexed:
            fields.setdefault(indexed[1], []).append(value)
        else:
            fields[name] = value
    return fields
