"""Images that people label again: what an earlier task had is nobody's work a second time."""

from collections import defaultdict
from collections.abc import Sequence

from msgspec.structs import replace

from cvat.contents import decode_content
from datasets.comparison import compare
from datasets.labelled import LabelledObject
from datasets.ledger import FateRow, Ledger, Pull


class Earlier:
    """What was pulled of each image, by the task that it was in."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._jobs: dict[str, dict[int, int]] = defaultdict(dict)
        for pull in ledger.read_pulls().values():
            self.note(pull)

    def note(self, pull: Pull) -> None:
        """A job that was pulled."""
        for sha256 in pull.sha256s:
            self._jobs[sha256][pull.task_id] = pull.job_id

    def without_standing(self, rows: Sequence[FateRow], task_id: int) -> list[FateRow]:
        """The fates without objects that count as added and stand as people left them in an earlier task."""
        added: dict[str, list[LabelledObject]] = defaultdict(list)
        for row in rows:
            if row.fate.verdict == "added" and row.fate.after and min(self._jobs.get(row.sha256, [task_id])) < task_id:
                added[row.sha256].append(row.fate.after)
        standing = {
            id(labelled) for sha256, found in added.items() for labelled in self._standing(sha256, found, task_id)
        }
        return [row for row in rows if id(row.fate.after) not in standing]

    def _standing(self, sha256: str, added: Sequence[LabelledObject], task_id: int) -> list[LabelledObject]:
        job_id = self._jobs[sha256][max(earlier for earlier in self._jobs[sha256] if earlier < task_id)]
        content = decode_content(self._ledger.read_contents([job_id])[job_id])
        before = [
            replace(o, shape_id=None) for frame in content.frames if frame.sha256 == sha256 for o in frame.objects
        ]
        fates = compare(before, added)
        return [fate.after for fate in fates if fate.verdict == "accepted" and fate.after is not None]
