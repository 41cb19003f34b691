"""When a learn is started: by what people are done with, by time, once, and again where one was cut short."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest
from rich.console import Console

from cvat.client import call
from cvat.jobs import list_jobs
from datasets.errors import Unavailable
from datasets.store import ImageStore
from pipelines.annotation.desk import Desk, open_desk
from pipelines.flows.learning import learn_accepted, read_standing
from pipelines.flows.settings import LearnSettings
from pipelines.flows.starting import Decision, Starter, Waiting, decide, read_waiting
from pipelines.models import MODELS
from pipelines.progress import Progress
from tests.cvat.conftest import CvatServer
from tests.cvat.played import directly, photograph, push

NOW = datetime(2026, 1, 2, tzinfo=UTC)
SETTINGS = LearnSettings(jobs=3)


def waiting(*, jobs: int, images: int, hours: float = 1) -> Waiting:
    since = NOW - timedelta(hours=hours)
    return Waiting(tuple((number, since.isoformat()) for number in range(jobs)), images, since)


@pytest.mark.parametrize(
    ("found", "start", "told"),
    [
        (Waiting(), False, "0 jobs with 0 corrected images wait; at least 20 images"),
        (waiting(jobs=9, images=19, hours=100), False, "at least 20 images"),
        (waiting(jobs=2, images=49), False, "it starts with 3 jobs, or at 2026-01-02 23:00 UTC"),
        (waiting(jobs=2, images=50), True, "2 jobs with 50 corrected images wait"),
        (waiting(jobs=3, images=20), True, "50 are recommended"),
        (waiting(jobs=1, images=20, hours=25), True, "for 24 hours and more"),
        (Waiting(standing="cut short"), True, "was cut short"),
        (Waiting(standing="under way"), False, "under way"),
    ],
)
def test_learning_starts_when_enough_waits_or_has_waited_long_enough(found: Waiting, start: bool, told: str) -> None:
    decision = decide(found, SETTINGS, now=NOW)
    assert decision.start is start
    assert told in decision.reason


def test_the_same_is_started_once_and_again_after_another_day() -> None:
    found = waiting(jobs=3, images=30)
    keys = [decide(found, SETTINGS, now=NOW + timedelta(hours=hours)).key for hours in (0, 5, 24)]
    assert keys[0] == keys[1] != keys[2]
    assert decide(waiting(jobs=4, images=40), SETTINGS, now=NOW).key != keys[0]


def test_a_burst_of_events_starts_one_learn() -> None:
    started: list[Decision] = []
    counts = iter(range(3, 9))
    starter = Starter(lambda: waiting(jobs=next(counts), images=60), started.append, SETTINGS, lambda text: None)
    for seconds in range(3):
        starter.look(NOW + timedelta(seconds=seconds))
    assert len(started) == 1
    starter.look(NOW + timedelta(minutes=11))
    assert len(started) == 2


def test_a_server_that_is_away_is_told_once_and_asked_again() -> None:
    told: list[str] = []

    def away() -> Waiting:
        raise Unavailable("CVAT is away")

    starter = Starter(away, lambda decision: None, SETTINGS, told.append)
    assert [starter.look(NOW) for _ in range(2)] == [None, None]
    assert told == ["carloop: CVAT is away"]


def test_a_failure_that_nobody_foresaw_is_told_and_ends_no_looking() -> None:
    told: list[str] = []
    starter = Starter(lambda: waiting(jobs=1 // 0, images=0), lambda decision: None, SETTINGS, told.append)
    assert starter.look(NOW) is None
    assert told == ["carloop: cannot look what waits: ZeroDivisionError('integer division or modulo by zero')"]


def test_a_woken_starter_looks_again() -> None:
    looked: list[int] = []

    def read() -> Waiting:
        looked.append(1)
        starter.end() if len(looked) == 2 else starter.wake()
        return Waiting()

    starter = Starter(read, lambda decision: None, SETTINGS, lambda text: None)
    starter.run()
    assert len(looked) == 2


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def desk(server: CvatServer, home: Path) -> Iterator[Desk]:
    """A project with two jobs of two images, one of which people are done with."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CARLOOP_CVAT_USER", server.user)
        patch.setenv("CARLOOP_CVAT_PASSWORD", server.password)
        project_path = home / "carloop.yaml"
        project_path.write_text(f"cvat: {{url: '{server.url}', project: cars}}\n")
        store = ImageStore(home / "datasets" / "store")
        with directly(server) as client:
            project_id, _ = push(client, "cars", [photograph(store, shade) for shade in (20, 60, 100, 140)], store)
            done, _ = list_jobs(client, project_id=project_id)
            accepted = msgspec.json.encode({"stage": "acceptance", "state": "completed"})
            call(client, "PATCH", f"/api/jobs/{done.id}", body=accepted)
        with open_desk(project_path, home, Progress(Console(stderr=True))) as desk:
            yield desk


def test_what_waits_is_read_from_cvat_even_when_no_event_came(desk: Desk) -> None:
    found = read_waiting(desk, "at rest")
    assert (len(found.jobs), found.images) == (1, 2)
    assert found.since is not None


def test_while_somebody_learns_another_ends_telling_who(desk: Desk, home: Path) -> None:
    with desk.ledger.lock(f"learn {MODELS[0].name}"):
        assert read_standing(desk, home) == "under way"
        with pytest.raises(Unavailable, match=r"process \d+ on .* holds the lock 'learn damage_detector'"):
            learn_accepted(desk, home)
    assert read_standing(desk, home) == "at rest"


def test_a_learn_that_was_killed_is_told_from_one_that_ended(desk: Desk, home: Path) -> None:
    mark = home / "learn" / "begun"
    mark.parent.mkdir(exist_ok=True)
    mark.touch()
    assert read_standing(desk, home) == "cut short"
    mark.unlink()
