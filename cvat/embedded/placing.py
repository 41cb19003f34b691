"""What of the annotations sent goes into which job: shapes by their frame, tracks cut where jobs end."""

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from msgspec.structs import replace

from cvat.embedded.labeled import LabeledData, Tag, Track
from cvat.embedded.tables import Job
from cvat.embedded.tracks import aligned, cut


@dataclass(frozen=True)
class Homes:
    """Which job has each of some annotations: tags and shapes by their ids, and tracks by theirs."""

    annotations: Mapping[int, int]
    tracks: Mapping[int, int]

    @property
    def job_ids(self) -> set[int]:
        """The ids of the jobs."""
        return {*self.annotations.values(), *self.tracks.values()}


def place(sent: LabeledData, jobs: Sequence[Job], homes: Homes | None = None) -> dict[int, LabeledData]:
    """What goes into each job, by job id. What no job has a frame for is dropped, as in CVAT.

    With `homes` annotations stay in the job that they are in, and those that are in none are dropped.
    """
    parts = {job.id: LabeledData(version=sent.version) for job in jobs}
    by_frame = _jobs_by_frame(jobs, {tag.frame for tag in (*sent.tags, *sent.shapes)})
    known = homes.annotations if homes else None
    for tag in sent.tags:
        for job_id in _jobs_for(tag, by_frame, known):
            parts[job_id].tags.append(tag)
    for shape in sent.shapes:
        for job_id in _jobs_for(shape, by_frame, known):
            parts[job_id].shapes.append(shape)
    for track in sent.tracks:
        for job_id, part in _cut(track, jobs, homes):
            parts[job_id].tracks.append(part)
    return parts


def _jobs_by_frame(jobs: Iterable[Job], frames: Collection[int]) -> dict[int, list[int]]:
    """The ids of the jobs that have each of the frames: usually one."""
    found = defaultdict[int, list[int]](list)
    ordered = sorted(frames)
    for job in jobs:
        for frame in ordered[bisect_left(ordered, job.start_frame) : bisect_right(ordered, job.stop_frame)]:
            if job.frames is None or frame in job.frames:
                found[frame].append(job.id)
    return dict(found)


def _jobs_for(tag: Tag, by_frame: Mapping[int, Sequence[int]], homes: Mapping[int, int] | None) -> Sequence[int]:
    candidates = by_frame.get(tag.frame, ())
    if homes is None:
        return candidates
    home = homes.get(tag.id or 0)
    if home is None:
        return ()
    return [home] if home in candidates else candidates[:1]


def _cut(track: Track, jobs: Sequence[Job], homes: Homes | None) -> Iterable[tuple[int, Track]]:
    wanted = [job for job in jobs if homes is None or homes.tracks.get(track.id or 0) == job.id]
    elements = [element for element in track.elements if element.shapes]
    if not track.shapes or not wanted or bool(elements) != bool(track.elements):
        return []
    whole = replace(track, frame=min(shape.frame for shape in track.shapes), elements=elements)
    if len(jobs) == 1 and _lies_within(whole, jobs[0]):
        return [(jobs[0].id, aligned(whole))]
    parts = cut(whole, [(job.start_frame, job.stop_frame) for job in wanted])
    return [(job.id, part) for job, part in zip(wanted, parts, strict=True) if part is not None]


def _lies_within(track: Track, job: Job) -> bool:
    shapes = [shape for part in (track, *track.elements) for shape in part.shapes]
    return all(job.start_frame <= shape.frame <= job.stop_frame for shape in shapes)
