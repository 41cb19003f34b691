"""What has been seen so far, kept so that a killed prediction goes on: one line of JSON a picture, after a key's.

A line cut short, which a kill leaves at the end, counts as not written.
"""

import os
from collections.abc import Sequence
from pathlib import Path

import msgspec

from datasets.errors import BadInput
from datasets.files import write_bytes
from pipelines.predict.records import Seen

JOURNAL = ".seen.jsonl"
METADATA = "metadata.json"
INDIVIDUAL = "individual"


class _Key(msgspec.Struct):
    key: str


class Journal:
    """The journal of a folder of predictions; of another key (other models or options) nothing is taken over."""

    def __init__(self, out: Path, key: str) -> None:
        """Raises BadInput when the folder holds something else."""
        self._path = out / JOURNAL
        _require_ours(out)
        self.seen: dict[tuple[str, int | None], Seen] = {}
        if not self._read(key):
            _forget(out)
            (out / INDIVIDUAL).mkdir(parents=True, exist_ok=True)
            write_bytes(self._path, msgspec.json.encode(_Key(key)) + b"\n")

    def add(self, several: Sequence[Seen]) -> None:
        """Note these for good."""
        with self._path.open("ab") as handle:
            handle.writelines(msgspec.json.encode(seen) + b"\n" for seen in several)
            handle.flush()
            os.fsync(handle.fileno())
        self.seen.update((seen.key, seen) for seen in several)

    def _read(self, key: str) -> bool:
        """Take over what is there under this key; False where there is nothing."""
        content = self._path.read_bytes() if self._path.exists() else b""
        whole = content[: content.rfind(b"\n") + 1]
        first, *lines = whole.splitlines() or [b""]
        try:
            if msgspec.json.decode(first, type=_Key).key != key:
                return False
            self.seen = {seen.key: seen for seen in (msgspec.json.decode(line, type=Seen) for line in lines)}
        except msgspec.DecodeError:
            return False
        if whole != content:
            write_bytes(self._path, whole)
        return True


def _require_ours(out: Path) -> None:
    others = [path for path in out.iterdir() if not path.name.startswith(".")]
    if others and not (out / JOURNAL).exists():
        raise BadInput(f"{out} holds other things than predictions; choose another folder for --out")


def _forget(out: Path) -> None:
    """Remove what other models or options have drawn, and first the file that says that all is there."""
    (out / METADATA).unlink(missing_ok=True)
    for path in (out / INDIVIDUAL).glob("*.jpg"):
        path.unlink()
