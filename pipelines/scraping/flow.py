"""`scrape` as a Prefect flow: sources side by side, each tried again when it fails for a passing reason.

No two runs of one host's pages go on at once where Prefect has a limit for it:

    prefect gcl create scrape-cars.example --limit 1

A schedule is a deployment's: `scrape_flow.serve(cron="0 3 * * *", parameters={"project_path": …, "home": …})`.
"""

from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from prefect import flow, task
from prefect.cache_policies import NO_CACHE
from prefect.concurrency.sync import concurrency
from prefect.task_runners import ThreadPoolTaskRunner

from datasets.errors import BadInput
from pipelines.interrupts import was_interrupted
from pipelines.project import read_project
from pipelines.scraping.place import Scraped
from pipelines.scraping.recipes import find_sources
from pipelines.scraping.running import print_reports, visit
from pipelines.scraping.sharding import Shard
from scrapers.errors import RecipeFailed
from scrapers.scrape import ScrapeReport

_AT_ONCE = 4


def _may_pass(error: object) -> bool:
    return not isinstance(error, BadInput | RecipeFailed) and not was_interrupted(error)


@task(
    retries=2,
    retry_delay_seconds=60,
    retry_condition_fn=lambda _, run, state: _may_pass(state.result(raise_on_failure=False)),
    cache_policy=NO_CACHE,
    persist_result=False,
    task_run_name="scrape {name}",
)
def scrape_source(name: str, *, project_path: Path, home: Path, limit: int | None, shard: Shard) -> ScrapeReport:
    """One source into the store, no two of its host's at once."""
    project = read_project(project_path)
    (source,) = find_sources(project, [name])
    scraped = Scraped(home)
    with concurrency(f"scrape-{_host(source.address)}", occupy=1), scraped.open() as places:
        return visit(source, scraped, places, project, limit=limit, shard=shard)


def _host(address: str | None) -> str:
    return urlsplit(address).hostname or "here" if address else "here"


@flow(name="scrape", task_runner=ThreadPoolTaskRunner(max_workers=_AT_ONCE), validate_parameters=False)  # type: ignore[arg-type]
def scrape_flow(
    project_path: Path, home: Path, *, sources: tuple[str, ...] = (), limit: int | None = None, shard: str = "1/1"
) -> list[ScrapeReport]:
    """The sources of a project, or some of them; one that fails stops none of the others, but fails the run at its end.

    Raises:
        CarloopError: a source could not be read at all.
    """
    names = [source.name for source in find_sources(read_project(project_path), sources)]
    choices: dict[str, Any] = {"project_path": project_path, "home": home, "limit": limit, "shard": Shard.parse(shard)}
    runs = [scrape_source.submit(name, **choices) for name in names]
    ends = [run.result(raise_on_failure=False) for run in runs]
    reports = [end for end in ends if isinstance(end, ScrapeReport)]
    print_reports(reports)
    for run in runs:
        run.result()  # raises what the first source that failed did
    return reports
