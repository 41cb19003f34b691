"""Rights on a terminal."""

import unicodedata
from collections.abc import Iterable, Sequence

from rich import box
from rich.console import Console
from rich.table import Table

from datasets.rights.deletion import Deletion
from datasets.rights.licenses import Licenses
from datasets.rights.withdrawal import Withdrawal

_ROWS = 40


def console() -> Console:
    """Standard output, on which names from outside are text and nothing more."""
    return Console(markup=False, emoji=False, highlight=False)


def plain(text: object) -> str:
    """Text without the control characters that would steer a terminal."""
    return "".join("�" if unicodedata.category(letter) in ("Cc", "Cf") else letter for letter in str(text))


def table(title: str, names: Sequence[str], rows: Iterable[Sequence[object]], *, texts: int = 1) -> Table:
    """A table in the house's look; the first `texts` columns are words, the others numbers."""
    made = Table(box=box.SIMPLE_HEAD, pad_edge=False, title=title, title_justify="left")
    for position, name in enumerate(names):
        made.add_column(name, justify="left" if position < texts else "right", overflow="fold")
    for row in rows:
        made.add_row(*map(plain, row))
    return made


def print_licenses(found: Licenses) -> None:
    """The licences by author and source, and the images whose sources disagree."""
    out = console()
    rows = [(r.license or "unknown", r.author or "unknown", r.source or "not named", r.images) for r in found.rows]
    out.print(table("Licences", ("licence", "author", "source", "images"), rows[:_ROWS], texts=3))
    _print_more(out, len(rows))
    out.print(f"{found.images} images, {found.unknown} of them without a known licence.")
    if found.disagreements:
        out.print(f"{len(found.disagreements)} images have sources that state different licences:")
        for one in found.disagreements[:_ROWS]:
            stated = "; ".join(f"{source}: {license}" for source, license in one.licenses.items())
            out.print(f"  {one.sha256[:16]}  {plain(stated)}", soft_wrap=True)
        _print_more(out, len(found.disagreements))


def print_withdrawal(done: Withdrawal) -> None:
    """Which versions were replaced by which, what of the claim named none, and what a person still has to look at."""
    out = console()
    rows = [(r.old[:16], r.new[:16], r.images) for r in done.replacements]
    out.print(table("Versions that held them", ("version", "use instead", "images"), rows, texts=2))
    for told in done.unmatched:
        out.print(f"Nothing has {plain(told)}.", soft_wrap=True)
    for image in done.near:
        out.print(f"{image.sha256[:16]} stays but shows the same photograph, altered; look at {plain(image.file_name)}")


def print_deletion(done: Deletion) -> None:
    """How many files were deleted, and each that was not."""
    out = console()
    out.print(f"{len(done.deleted)} files deleted, {len(done.missing)} were not there.")
    for path in done.kept:
        out.print(f"{plain(path)} stays: it has other bytes or lies outside of the store", soft_wrap=True)


def _print_more(out: Console, count: int) -> None:
    if count > _ROWS:
        out.print(f"… and {count - _ROWS} more; --json lists all.")
