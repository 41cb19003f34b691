"""Playing the loop from a command: the run, its servers, the flow, and what is shown at the end."""

import os
from contextlib import ExitStack, closing
from pathlib import Path

from rich.console import Console

from datasets.files import require_space, told_when_full, write_json
from datasets.importing import TruthFolder, read_truth
from datasets.split import split_of
from pipelines.bench import Bench
from pipelines.errors import BadProject
from pipelines.progress import Progress
from pipelines.project import Project
from pipelines.report import show_results, write_report
from pipelines.results import RoundResult, read_round
from pipelines.runs import Run, open_run
from pipelines.services import Services, start_services
from pipelines.truth_site import publish

MIN_FREE_GIBIBYTES = 1.0


def play(project: Project, truth: Path, home: Path, *, rounds: int, budget: int, fresh: bool, as_json: bool) -> None:
    """Play rounds on a folder with ground truth, write the report and show what was gained.

    Raises:
        CarloopError: in one sentence, whatever a person can mend; what was finished by then stays.
    """
    progress = Progress(Console(stderr=True))
    require_space(home, gibibytes=MIN_FREE_GIBIBYTES)
    with progress.step(f"read {truth}"):
        photographs = read_truth(truth, project.taxonomy, project.truth)
    for note in photographs.notes:
        progress.say(f"    {note}")
    _require_both_splits(photographs, project, truth)
    if project.scrape.blur.enabled:
        raise BadProject("the loop on ground truth shows its photographs as they are; leave scrape: blur: enabled: out")
    with told_when_full(home), open_run(home, project, photographs, budget=budget, fresh=fresh) as run:
        write_json(run.folder / "inputs.json", {"truth": str(truth.absolute()), "rounds": rounds, "budget": budget})
        results = _finished(run, rounds) or _play(run, photographs, progress, rounds=rounds, budget=budget)
        with progress.step("report"):
            report = write_report(run, results)
    show_results(results, report, as_json=as_json)


def _require_both_splits(photographs: TruthFolder, project: Project, truth: Path) -> None:
    families = {image.family for image in photographs.images}
    sides = {split_of(family, seed=project.seed, settings=project.split) for family in families}
    if len(sides) < 2:
        raise BadProject(
            f"all {len(families)} families of {truth} fall on the {sides.pop()} side of the split; "
            "add photographs or change split: test_fraction:"
        )


def _finished(run: Run, rounds: int) -> list[RoundResult] | None:
    results = [read_round(run.rounds, number) for number in range(rounds + 1)]
    found = [result for result in results if result is not None]
    return found if len(found) == len(results) or run.exhausted.exists() else None


def _play(run: Run, photographs: TruthFolder, progress: Progress, *, rounds: int, budget: int) -> list[RoundResult]:
    progress.say(f"Run {run.folder}")
    with ExitStack() as stack:
        with progress.step("start CVAT, the functions, Prefect and MongoDB"):
            services = stack.enter_context(start_services(run))
            _point_prefect_at(services, run)
            from pipelines.loop import loop  # Prefect reads its settings when it is imported
        site = stack.enter_context(publish(photographs.images))
        bench = stack.enter_context(closing(Bench(run, services, site, photographs, progress)))
        try:
            return loop(bench, rounds=rounds, budget=budget)
        except Exception:
            for child in services.children:
                child.require_alive()  # its end explains whatever failed because of it
            raise


def _point_prefect_at(services: Services, run: Run) -> None:
    os.environ |= {
        "PREFECT_API_URL": services.prefect_api_url,
        "PREFECT_HOME": str(run.prefect.absolute()),
        "PREFECT_LOGGING_LEVEL": "CRITICAL",  # failures are told once, by the command
        "DO_NOT_TRACK": "1",
    }
