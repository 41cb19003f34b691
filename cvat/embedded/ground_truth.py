"""Ground truth: a job beside those of annotators, on chosen frames of its task, that their work is compared with.

The same seed chooses the same frames as in CVAT, which draws with NumPy's MT19937.
https://docs.cvat.ai/docs/manual/advanced/analytics-and-monitoring/auto-qa/
"""

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from cvat.embedded.bodies import FrameChoice
from cvat.embedded.database import timestamp
from cvat.embedded.errors import RefusedChoice
from cvat.embedded.rows import annotation_jobs
from cvat.embedded.tables import GROUND_TRUTH, Frame, Job, Task


def add_ground_truth(session: Session, task: Task, frames: Sequence[int]) -> Job:
    """Give a task its ground truth.

    Raises:
        RefusedChoice: the task has ground truth, or has not these frames.
    """
    if session.scalars(select(Job).where(Job.task_id == task.id, Job.type == GROUND_TRUTH)).first():
        raise RefusedChoice("A task can have only 1 ground truth job")
    _check(frames, task)
    now = timestamp()
    job = Job(
        task_id=task.id,
        start_frame=0,
        stop_frame=task.size - 1,
        type=GROUND_TRUTH,
        frames=sorted(frames),
        created_date=now,
        updated_date=now,
    )
    session.add(job)
    task.updated_date = now
    session.flush()
    return job


def draw_frames(session: Session, task: Task, choice: FrameChoice) -> list[int]:
    """Frames of a task, chosen at random.

    Raises:
        RefusedChoice: the task has fewer.
    """
    from numpy import random  # the server starts without it

    draw = random.Generator(random.MT19937(choice.random_seed))
    of_all = choice.frame_selection_method == "random_uniform"
    number = choice.number_of(task.size if of_all else task.segment_size)
    if number > task.size:
        raise RefusedChoice(
            f"The number of frames requested ({number}) must not be greater than "
            f"the number of the task frames ({task.size})"
        )
    if of_all:
        return [int(frame) for frame in draw.choice(task.size, size=number, shuffle=False, replace=False)]
    frames: list[int] = []
    for job in annotation_jobs(session, task.id):
        present = set(job.numbers).intersection(frames)
        own = job.numbers[task.overlap if job.start_frame else 0 :]
        free = [frame for frame in own if frame not in present]
        missing = min(number - len(present), len(free))
        if missing > 0:
            frames += map(int, draw.choice(free, size=missing, replace=False))
    return frames


def frames_named(session: Session, task: Task, names: Sequence[str]) -> list[int]:
    """The numbers of frames with these names. Raises RefusedChoice where there is none."""
    named = select(Frame.name, Frame.number).where(Frame.task_id == task.id)
    numbers = dict(session.execute(named).tuples().all())
    unknown = sorted(set(names) - numbers.keys())
    if unknown:
        raise RefusedChoice(f"The following frames do not exist in the task: {', '.join(unknown)}")
    return [numbers[name] for name in names]


def _check(frames: Sequence[int], task: Task) -> None:
    if not task.size:
        raise RefusedChoice("This task has no data attached yet. Please set up task data and try again")
    if not frames:
        raise RefusedChoice("The list of frames cannot be empty")
    if len(set(frames)) != len(frames):
        raise RefusedChoice("Frames must not repeat")
    unknown = sorted(frame for frame in frames if frame >= task.size)
    if unknown:
        raise RefusedChoice(f"The following frames do not exist in the task: {', '.join(map(str, unknown))}")
