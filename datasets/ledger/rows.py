"""Objects as the ledger's tables have them: what is asked for in columns, the rest as JSON."""

from collections.abc import Sequence
from typing import Any, NamedTuple, cast

import msgspec
import numpy as np

from datasets.comparison import Fate, Verdict
from datasets.labelled import LabelledObject
from datasets.ledger.records import OUTCOME_COLUMNS, FateRow, Outcomes, Prelabel

_ENCODER = msgspec.json.Encoder(enc_hook=float)  # numpy's numbers are numbers
_LABELLED = msgspec.json.Decoder(LabelledObject)


PRELABEL_COLUMNS = ("sha256", "model", "stored")
FATE_COLUMNS = (
    "sha256", "model", "verdict", "kind", "before_category", "after_category", "score", "iou", "before", "after",
)  # fmt: skip


class FateText(NamedTuple):
    """The columns that a fate is read from."""

    sha256: str
    model: str | None
    verdict: str
    iou: float | None
    before: str | None
    after: str | None


def text_of(value: Any) -> str:
    """A value as JSON."""
    return _ENCODER.encode(value).decode()


def labelled_of(text: str) -> LabelledObject:
    """The inverse of `text_of`."""
    return _LABELLED.decode(text)


def prelabel_values(prelabel: Prelabel) -> tuple[Any, ...]:
    """A pre-label's values for `PRELABEL_COLUMNS`."""
    return prelabel.sha256, prelabel.model, text_of(prelabel.stored)


def fate_values(row: FateRow) -> tuple[Any, ...]:
    """A fate's values for `FATE_COLUMNS`."""
    verdict, before, after, iou = row.fate.verdict, row.fate.before, row.fate.after, row.fate.iou
    shown = cast(LabelledObject, before or after)  # one of them is there
    return (
        row.sha256,
        row.model,
        verdict,
        shown.kind,
        before.category if before else None,
        after.category if after else None,
        before.score if before else None,
        iou,
        text_of(before) if before else None,
        text_of(after) if after and after != before else None,
    )


def fate_of(text: FateText) -> FateRow:
    """A fate as it was before `fate_values`."""
    before = labelled_of(text.before) if text.before else None
    after = labelled_of(text.after) if text.after else None
    if after is None and text.verdict != "deleted":
        after = before
    return FateRow(text.sha256, text.model, Fate(cast(Verdict, text.verdict), before, after, text.iou))


def outcomes_of(rows: Sequence[Any]) -> Outcomes:
    """Rows of `OUTCOME_COLUMNS` as columns."""
    columns = zip(*rows, strict=True) if rows else [()] * len(OUTCOME_COLUMNS)
    return Outcomes(*(np.array(column, dtype) for column, dtype in zip(columns, OUTCOME_COLUMNS.values(), strict=True)))
