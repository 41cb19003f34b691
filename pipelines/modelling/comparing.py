"""`carloop model compare`."""

from collections.abc import Sequence
from dataclasses import asdict

from datasets.rights.tables import console, table
from pipelines.modelling.evaluating import bundle_of, interval, predict, read_test_set
from pipelines.modelling.place import Place
from pipelines.output import write_json
from training.evaluation.comparison import Comparison, Difference, compare


def compare_models(
    place: Place,
    champion: str,
    challenger: str,
    test_set: str | None,
    *,
    resamples: int,
    seed: int,
    as_json: bool,
) -> None:
    """Evaluate both anew on one test set, and tell how the second differs from the first."""
    first, second = place.registry.find(champion), place.registry.find(challenger)
    version, truth = read_test_set(place, test_set, second)
    ours, theirs = (
        predict(place, bundle_of(place, one), truth, version, resamples=resamples, seed=seed).evaluation()
        for one in (first, second)
    )
    found = compare(ours, theirs, resamples=resamples, seed=seed)
    if as_json:
        write_json({"first": first.name, "second": second.name, "test_set": version, **asdict(found)})
        return
    print_comparison(found, first.name, second.name)


def print_comparison(found: Comparison, first: str, second: str) -> None:
    """Tables of what the second gains over the first."""
    out = console()
    titles = ("", "from", first, second, "gain")
    out.print(table("Overall", (found.metric, *titles[1:]), _rows([found.overall])))
    out.print(table("By class", (found.class_metric, *titles[1:]), _rows(found.classes)))
    if found.sources:
        out.print(table("By source", (found.metric, *titles[1:]), _rows(found.sources)))
    for one in (*found.classes, *found.sources):
        if one.pooled:
            out.print(f"{one.name}: {', '.join(one.pooled)}", soft_wrap=True)
    out.print(f"{second} is better with {found.certainty:.1%} certainty.", soft_wrap=True)


def _rows(found: Sequence[Difference]) -> list[tuple[str, int, str, str, str]]:
    return [(one.name, one.count, _shown(one.champion), _shown(one.challenger), interval(one.gain)) for one in found]


def _shown(value: float | None) -> str:
    return "n/a" if value is None else f"{value:.3f}"
