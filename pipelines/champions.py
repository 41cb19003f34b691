"""The champions that a round of the loop goes on from: the registry's, which a person may have rolled back since."""

from pipelines.results import ModelResult, RoundResult
from training.registry import Registry


def version_key(run_key: str, model: str, number: int) -> str:
    """Under which the registry has what round `number` of a run trained."""
    return f"{run_key}/{model}/{number}"


def with_champions(
    previous: RoundResult | None, registry: Registry, run_key: str, *, number: int
) -> RoundResult | None:
    """What the round before `number` gave, with the champions of now.

    A round that was killed after it promoted its own is not its own predecessor: it comes to the same end again.
    """
    if previous is None:
        return None
    models = {
        name: _with_champion(result, registry, name, version_key(run_key, name, number))
        for name, result in previous.models.items()
    }
    return previous.model_copy(update={"models": models})


def _with_champion(result: ModelResult, registry: Registry, model: str, key: str) -> ModelResult:
    champion = registry.champion_before(model, key)
    if champion is None or champion.name == result.champion:
        return result
    return result.model_copy(
        update={
            "champion": champion.name,
            "bundle": champion.bundle,
            "weights": champion.weights,
            "scores": dict(champion.metrics),
            "by_class": {},
        }
    )
