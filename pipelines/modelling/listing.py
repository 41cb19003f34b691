"""`carloop model list` and `carloop model show`."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from datasets.rights.tables import console, table
from pipelines.modelling.lineage import lineage_of
from pipelines.modelling.place import Place
from pipelines.output import show, write_json
from training.registry import RegisteredVersion, Turn

_PRIMARY = ("map50_95", "macro_f1")


def list_models(place: Place, *, as_json: bool) -> None:
    """Every version, and who was champion when."""
    registry = place.registry
    aliases = {model: registry.aliases(model) for model in registry.models()}
    versions = {model: registry.versions(model) for model in aliases}
    history = {model: registry.history(model) for model in aliases}
    if as_json:
        write_json(
            {
                model: {
                    "aliases": aliases[model],
                    "versions": [_row(one, aliases[model]) for one in versions[model]],
                    "history": [asdict(turn) for turn in history[model]],
                }
                for model in aliases
            }
        )
        return
    out = console()
    rows = [
        (one.name, ", ".join(_aliases(one, aliases[one.model])), one.parent or "", one.dataset[:12], _score(one))
        for several in versions.values()
        for one in several
    ]
    out.print(table("Models", ("model", "alias", "parent", "dataset", "score"), rows, texts=4))
    turns = [
        (turn.at, f"{model}@{turn.version}", turn.event, turn.reason) for model in history for turn in history[model]
    ]
    if turns:
        out.print(table("Champions", ("at", "model", "", "reason"), turns, texts=4))


def show_model(place: Place, reference: str, *, as_json: bool) -> None:
    """One version with all that it comes from."""
    registered = place.registry.find(reference)
    told = {
        **_row(registered, place.registry.aliases(registered.model)),
        **lineage_of(place, registered),
        "history": [_turn(turn) for turn in place.registry.history(registered.model)],
    }
    show(told, as_json=as_json)


def _row(one: RegisteredVersion, aliases: Mapping[str, str]) -> dict[str, Any]:
    return {
        "model": one.name,
        "aliases": _aliases(one, aliases),
        "bundle": one.bundle,
        "dataset": one.dataset,
        "parent": f"{one.model}@{one.parent}" if one.parent else None,
        "test_set": one.test_set,
        "metrics": {name: _interval(one, name) for name in one.metrics},
        "formats": {
            name: f"{'agrees' if agrees else 'differs'}: {told}" for name, (agrees, told) in one.parity.items()
        },
        "decision": one.decision,
    }


def _aliases(one: RegisteredVersion, aliases: Mapping[str, str]) -> list[str]:
    return [alias for alias, number in aliases.items() if number == one.version]


def _turn(turn: Turn) -> str:
    return f"{turn.at} {turn.event} {turn.version}{f' ({turn.reason})' if turn.reason else ''}"


def _interval(one: RegisteredVersion, name: str) -> str:
    value = f"{one.metrics[name]:.4f}"
    return f"{value} ({one.intervals[name][0]:.4f} to {one.intervals[name][1]:.4f})" if name in one.intervals else value


def _score(one: RegisteredVersion) -> str:
    return next((f"{name} {_interval(one, name)}" for name in _PRIMARY if name in one.metrics), "not evaluated")
