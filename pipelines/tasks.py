"""Steps of a flow: Prefect tasks that are retries, a clock, and one call of a plain function."""

from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec, TypeVar, cast

from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.utilities.annotations import quote

from datasets.errors import BadInput
from pipelines.bench import Bench
from pipelines.interrupts import was_interrupted

P = ParamSpec("P")
R = TypeVar("R")


def _may_pass(error: object) -> bool:
    """Whether a failed step may succeed when it is tried again."""
    return not isinstance(error, BadInput) and not was_interrupted(error)


def step(
    name: str, *, retries: int = 0
) -> Callable[[Callable[Concatenate[Bench, P], R]], Callable[Concatenate[Bench, P], R]]:
    """A task that is tried again when it fails for a passing reason; its seconds go to the bench."""

    def decorate(function: Callable[Concatenate[Bench, P], R]) -> Callable[Concatenate[Bench, P], R]:
        @task(
            name=name,
            retries=retries,
            retry_delay_seconds=1,
            retry_condition_fn=lambda _, run, state: _may_pass(state.result(raise_on_failure=False)),
            cache_policy=NO_CACHE,
            persist_result=False,
        )
        @wraps(function)
        def timed(bench: Bench, *args: P.args, **kwargs: P.kwargs) -> R:
            with bench.timed(name):
                return function(bench, *args, **kwargs)

        unchecked = cast(Callable[..., R], timed)

        @wraps(function)
        def run(bench: Bench, *args: P.args, **kwargs: P.kwargs) -> R:
            # no argument is another task's future: unquoted, Prefect would look for one in every image of the truth
            quoted = {name: quote(value) for name, value in kwargs.items()}
            return unchecked(quote(bench), *map(quote, args), **quoted)

        return cast(Callable[Concatenate[Bench, P], R], run)

    return decorate
