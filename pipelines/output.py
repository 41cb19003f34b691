"""Results on stdout: lines for a person, JSON for a script."""

import sys
from collections.abc import Iterable, Mapping
from typing import Any

import orjson
from rich.console import Console


def show(told: Mapping[str, Any], *, as_json: bool, notes: Iterable[str] = ()) -> None:
    """One result on stdout: a line for each thing, or JSON."""
    if as_json:
        write_json(told)
        return
    console = Console()
    shown = {
        key.replace("_", " "): value for key, value in told.items() if value not in ([], {}, None) and key != "notes"
    }
    width = max(map(len, shown), default=0)
    for key, value in shown.items():
        console.print(f"{key:<{width}}  {_told(value)}", highlight=False, soft_wrap=True, markup=False)
    for note in notes:
        console.print(f"  {note}", highlight=False, soft_wrap=True, markup=False)


def _told(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{inner} {_told(count)}" for inner, count in value.items())
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return f"{value:,}" if isinstance(value, int) else str(value)


def write_json(value: Any) -> None:
    """A value as indented JSON on stdout."""
    options = orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE | orjson.OPT_NON_STR_KEYS
    sys.stdout.buffer.write(orjson.dumps(value, option=options))
    sys.stdout.flush()
