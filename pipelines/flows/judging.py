"""Whether people accepted anything that models could be judged by, asked before `learn` pulls."""

from cvat.jobs import list_jobs
from cvat.project import require_project
from datasets.errors import BadInput
from datasets.files import is_complete
from pipelines.annotation.desk import Desk
from pipelines.annotation.history import read_history
from pipelines.results import TEST


def require_tests_accepted(desk: Desk) -> None:
    """Asked before the pull, as what was pulled no longer waits, and nothing would start the learn that can be done.

    Raises:
        BadInput: images of the test side were pushed, and people accepted others alone.
        CvatError: CVAT cannot be asked, or has no such project.
    """
    accepted = _accepted(desk)
    tests = _pushed_tests(desk) if accepted else set()
    if tests and accepted.isdisjoint(tests):
        raise BadInput(
            f"none of the {len(accepted):,} images accepted in the CVAT project {desk.project.cvat.project} is one of "
            f"the {len(tests):,} of the test side that were pushed there, so nothing could be judged by; accept a job "
            "of a test task first"
        )


def _accepted(desk: Desk) -> set[str]:
    """The images of the jobs that people are done with, by SHA-256, where Carloop pushed them."""
    settings, frames = desk.project.cvat, desk.ledger.read_frames()
    jobs = list_jobs(desk.client, project_id=require_project(desk.client, settings.project))
    done = [(frames.get(job.task_id, []), job.frames) for job in jobs if job.is_done(settings.accept)]
    return {sha256 for sha256s, numbers in done for sha256 in sha256s[numbers.start : numbers.stop]}


def _pushed_tests(desk: Desk) -> set[str]:
    """The images of the test side in the versions that were pushed, by SHA-256."""
    versions = [version for version in read_history(desk).pushed if is_complete(desk.shelf.versions / version)]
    return {i.sha256 for version in versions for i in desk.shelf.read(version).live.images if i.split == TEST}
