"""Kill client or server at seeded requests of a push and pull, run the same command again, and compare the end.

    python -m benchmarks.cvat_kills [--kills 20] [--seed 0]

Each kill is a SIGKILL before, during or after one of the requests that an undisturbed run makes. The figures are
written to docs/cvat_kills.md.
"""

import http.client
import itertools
import os
import random
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import click

from benchmarks.cvat_round import PULLED
from cvat.backup import read_snapshot
from cvat.client import Credentials, connect
from cvat.embedded.settings import PASSWORD_VARIABLE, USER_VARIABLE
from cvat.jobs import list_jobs
from datasets.files import write_bytes
from datasets.ledger import Ledger
from datasets.snapshot import encode_snapshot
from tests.cvat.conftest import CvatServer
from tests.cvat.proxy import Proxy

PAGE = Path(__file__).parent.parent / "docs" / "cvat_kills.md"
_DURING_SECONDS = 0.03

Victim = Literal["client", "server"]
Moment = Literal["before", "during", "after"]


@dataclass(frozen=True)
class Kill:
    """Who is killed, and when: at which request of the run, from 0 on."""

    victim: Victim
    moment: Moment
    request: int


@dataclass(frozen=True)
class Outcome:
    """What a run that was killed came to. `runs` is how often the command ran, `differing` the parts of the end that
    are not as in an undisturbed run."""

    kill: Kill
    path: str
    runs: int
    differing: Sequence[str]


class Killer(Proxy):
    """A proxy that kills somebody at a request."""

    def __init__(self, server_url: str, kill: Kill, strike: Callable[[], object]) -> None:
        super().__init__(server_url)
        self.kill, self.strike, self.path = kill, strike, ""
        self._numbers = itertools.count()

    def pass_on(
        self, method: str, path: str, headers: dict[str, str], body: bytes
    ) -> tuple[http.client.HTTPResponse, bytes]:
        """Kill at the chosen request, and drop it."""
        if next(self._numbers) != self.kill.request:
            return super().pass_on(method, path, headers, body)
        self.path = f"{method} {path.partition('?')[0]}"
        if self.kill.moment == "before":
            self.strike()
        elif self.kill.moment == "during":
            later = threading.Timer(_DURING_SECONDS, self.strike)
            later.start()
            self._pass_on_unless_gone(method, path, headers, body)
            later.join()
        else:
            self._pass_on_unless_gone(method, path, headers, body)
            self.strike()
        raise ConnectionAbortedError

    def _pass_on_unless_gone(self, *request: Any) -> None:
        try:
            super().pass_on(*request)
        except (OSError, http.client.HTTPException):
            return


def draw_kills(count: int, *, requests: int, seed: int) -> list[Kill]:
    """Seeded kills, half of them of the client, all over a run of so many requests."""
    draw = random.Random(seed)
    places = [int((number + draw.random()) * requests / count) for number in range(count)]
    victims: Sequence[Victim] = ("client", "server")
    moments: Sequence[Moment] = ("before", "during", "after")
    return [Kill(victims[number % 2], draw.choice(moments), place) for number, place in enumerate(places)]


def start_round(server: CvatServer, folder: Path, url: str) -> subprocess.Popen[bytes]:
    """Begin a round in a process of its own; its project is named after the folder."""
    command = [sys.executable, "-m", "benchmarks.cvat_round", folder, "--url", url, "--project", folder.name]
    environment = {**os.environ, USER_VARIABLE: server.user, PASSWORD_VARIABLE: server.password}
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "log").open("ab") as log:
        return subprocess.Popen(list(map(str, command)), env=environment, stdout=log, stderr=log)


def finish_round(server: CvatServer, folder: Path) -> None:
    """Run a round to its end. Raises RuntimeError with its last words when it fails."""
    with start_round(server, folder, server.url) as process:
        if process.wait() != 0:
            raise RuntimeError((folder / "log").read_text()[-2000:])


def measure(server: CvatServer, folder: Path) -> tuple[dict[str, Any], int]:
    """The end of an undisturbed round, and how many requests it makes."""
    proxy = Proxy(server.url)
    with proxy.running(), start_round(server, folder, proxy.url) as process:
        if process.wait() != 0:
            raise RuntimeError((folder / "log").read_text()[-2000:])
    return read_end(server, folder), len(proxy.requests)


def kill_and_finish(server: CvatServer, folder: Path, kill: Kill, expected: dict[str, Any]) -> Outcome:
    """Kill a round, run the same command again where it did not end well, and compare."""
    started = threading.Event()

    def strike() -> None:
        started.wait()
        process.kill() if kill.victim == "client" else server.restart()

    killer = Killer(server.url, kill, strike)
    with killer.running():
        process = start_round(server, folder, killer.url)
        started.set()
        runs = 1 if process.wait() == 0 else 2
    if runs == 2:
        finish_round(server, folder)
    end = read_end(server, folder)
    return Outcome(kill, killer.path, runs, [part for part in expected if end[part] != expected[part]])


def read_end(server: CvatServer, folder: Path) -> dict[str, Any]:
    """All that a round leaves on the server and in its folder, without ids and times."""
    ledger = Ledger(f"sqlite:///{folder / 'ledger.sqlite'}")
    outcomes = ledger.read_outcomes()
    pulls = sorted((pull.subset, pull.images, pull.sha256s) for pull in ledger.read_pulls().values())
    ledger.close()
    with connect(server.url, Credentials(server.user, server.password)) as client:
        named = client.api_client.projects_api.list(name=folder.name)[0].results
        snapshot = read_snapshot(client, named[0].id)
        jobs = list_jobs(client, project_id=named[0].id)
    return {
        "projects": len(named),
        "on the server": encode_snapshot(snapshot),
        "jobs": sorted((job.start_frame, job.stop_frame, job.stage, job.state) for job in jobs),
        "pulled": (folder / PULLED).read_bytes(),
        "pulls": pulls,
        "fates": sorted(zip(outcomes.sha256, outcomes.verdict, outcomes.after_category, strict=True)),
    }


@click.command()
@click.option("--kills", type=click.IntRange(min=1), default=20, show_default=True, help="How many runs to kill.")
@click.option("--seed", default=0, show_default=True, help="Decides requests, moments and victims.")
def main(kills: int, seed: int) -> None:
    """Kill client or server at seeded requests, finish, and compare the end with an undisturbed run's."""
    with tempfile.TemporaryDirectory(prefix="carloop-kills-") as folder:
        server = CvatServer(Path(folder))
        try:
            outcomes, requests = _run(server, Path(folder), kills, seed)
        finally:
            server.kill()
    write_bytes(PAGE, _page(outcomes, requests, seed).encode())
    sys.exit(0 if not any(outcome.differing for outcome in outcomes) else 1)


def _run(server: CvatServer, folder: Path, kills: int, seed: int) -> tuple[list[Outcome], int]:
    expected, requests = measure(server, folder / "undisturbed")
    outcomes = []
    for number, kill in enumerate(draw_kills(kills, requests=requests, seed=seed)):
        outcomes.append(kill_and_finish(server, folder / f"kill-{number}", kill, expected))
        click.echo(f"{number}: {outcomes[-1]}", err=True)
    return outcomes, requests


def _page(outcomes: Sequence[Outcome], requests: int, seed: int) -> str:
    return f"""# Client or server killed at any request

`python -m benchmarks.cvat_kills --seed {seed} --kills {len(outcomes)}`: a round of push, correction and pull, of
{requests} requests, is disturbed by a SIGKILL of the client or of the embedded server before, during or after one of
them; a server is started again at once. Where the command did not end well, it is run again. Then projects, tasks,
jobs, every annotation, what was pulled and what became of pre-labels are compared with an undisturbed run's.

| killed | when | request | runs of the command | same end |
|---|---|---|---|---|
{_rows(outcomes)}
"""


def _rows(outcomes: Iterable[Outcome]) -> str:
    return "\n".join(
        f"| {o.kill.victim} | {o.kill.moment} | {o.kill.request}: `{o.path}` | {o.runs} | "
        f"{'no: ' + ', '.join(o.differing) if o.differing else 'yes'} |"
        for o in outcomes
    )


if __name__ == "__main__":
    main()
