"""Filling a task's jobs, as long as nobody has begun them: what is known of their images, probes, and questions.

A job is filled by one request while it is empty, so doing it again changes nothing. What the ledger has to know is
noted before CVAT shows it to anybody.
"""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from cvat_sdk import Client
from msgspec.structs import replace

from cvat.issues import Issue, write_issues
from cvat.jobs import Frames, Job
from cvat.probes import Planted, chance
from cvat.wire import data_of, lost_values, objects_of, read_wire, replace_wire, to_wire
from datasets.labelled import LabelledObject
from datasets.ledger import Ledger, Prelabel, Probe

_DECIMALS = 2


@dataclass(frozen=True)
class Content:
    """What goes into jobs beside their images, by SHA-256. Images in `frozen`, a test set's, are shown no predictions.

    `predicted` are those that a model looked at, whether it found something there or not. `control_share` of the jobs
    without frozen images are controls, chosen by a hash of the seed and their images: they get neither predictions nor
    probes.
    """

    objects: Mapping[str, Sequence[LabelledObject]] = field(default_factory=dict)
    probes: Mapping[str, Planted] = field(default_factory=dict)
    issues: Mapping[str, Sequence[Issue]] = field(default_factory=dict)
    frozen: Collection[str] = frozenset()
    predicted: Collection[str] = frozenset()
    control_share: float = 0.0
    seed: int = 0

    def is_control(self, sha256s: Sequence[str]) -> bool:
        """Whether the job with these images is a control job."""
        if any(sha256 in self.frozen for sha256 in sha256s):
            return False
        return chance(self.seed, "control", *sha256s) < self.control_share

    def is_predicted(self, sha256: str) -> bool:
        """Whether an image shows what a model found there, be it nothing."""
        return sha256 in self.predicted and sha256 not in self.frozen

    def on_image(self, sha256: str, *, is_control: bool) -> Sequence[LabelledObject]:
        """What an image gets."""
        if sha256 in self.probes and not is_control:
            return [prelabel.stored for prelabel in self.probes[sha256].prelabels]
        objects = self.objects.get(sha256, ())
        hidden = is_control or sha256 in self.frozen
        return [labelled for labelled in objects if not (hidden and labelled.score is not None)]


@dataclass(frozen=True)
class Filled:
    """How much jobs hold then, and what their labels could not take: values by class and attribute."""

    told: Counter[str] = field(default_factory=Counter)
    lost: Counter[tuple[str, str]] = field(default_factory=Counter)

    def __add__(self, other: "Filled") -> "Filled":
        return Filled(self.told + other.told, self.lost + other.lost)


def fill_jobs(client: Client, ledger: Ledger, jobs: Sequence[Job], frames: Frames, content: Content) -> Filled:
    """Fill those of a task's jobs that nobody has begun. Raises CvatError."""
    new = [job for job in jobs if job.is_new]
    sha256s = {job.id: [frames.sha256[number] for number in job.frames] for job in new}
    controls = {job.id for job in new if content.is_control(sha256s[job.id])}
    ledger.write_controls(controls)
    noted = ledger.prelabelled_jobs()
    filled = Filled(Counter(controls=len(controls)))
    for job in new:
        filled += _fill_job(
            client, ledger, job, frames, content, is_control=job.id in controls, is_noted=job.id in noted
        )
    return filled


def _fill_job(
    client: Client, ledger: Ledger, job: Job, frames: Frames, content: Content, *, is_control: bool, is_noted: bool
) -> Filled:
    shown = [(number, frames.sha256[number]) for number in job.frames]
    wanted = [(n, one) for n, sha256 in shown for one in content.on_image(sha256, is_control=is_control)]
    probes = [] if is_control else [content.probes[sha256].probe for _, sha256 in shown if sha256 in content.probes]
    if probes:
        ledger.write_probes(job.id, probes)
    stored = _write_objects(client, job, wanted, frames)
    if probes:
        ledger.write_probes(job.id, [_with_id(probe, stored) for probe in probes])
    prelabels = [Prelabel(sha256, one.model, one) for sha256, one in stored if one.model and one.source == "auto"]
    is_predicted = not is_control and any(content.is_predicted(sha256) for _, sha256 in shown)
    if (prelabels or is_predicted) and not is_noted:
        ledger.write_prelabels(job.id, prelabels)
    issues = [(number, issue) for number, sha256 in shown for issue in content.issues.get(sha256, ())]
    posted = write_issues(client, job, issues)
    told = Counter(
        objects=len(stored),
        prelabels=len(prelabels),
        probes=len(probes),
        issues=posted or 0,
        untold_issues=len(issues) if posted is None else 0,
    )
    return Filled(told, lost_values((labelled for _, labelled in wanted), frames.labels))


def _write_objects(
    client: Client, job: Job, wanted: Sequence[tuple[int, LabelledObject]], frames: Frames
) -> list[tuple[str, LabelledObject]]:
    """What an empty job has after these were written to it; what another has anyway."""
    if not wanted:
        return []
    found = read_wire(client, "jobs", job.id)
    if not found:
        body = data_of(to_wire(labelled, number, frames.labels) for number, labelled in wanted)
        found = replace_wire(client, "jobs", job.id, body)
    return [(frames.sha256[number], labelled) for number, labelled in objects_of(found, frames.labels)]


def _with_id(probe: Probe, stored: Sequence[tuple[str, LabelledObject]]) -> Probe:
    """A probe whose planted object has CVAT's id."""
    if probe.planted is None:
        return probe
    wanted = _place(probe.sha256, probe.planted)
    found = next((one for sha256, one in stored if _place(sha256, one) == wanted), probe.planted)
    return replace(probe, planted=found)


def _place(sha256: str, labelled: LabelledObject) -> tuple[object, ...]:
    points = tuple(round(value, _DECIMALS) for value in labelled.points)
    return sha256, labelled.category, labelled.kind, points, labelled.model
