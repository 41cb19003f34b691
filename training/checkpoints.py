"""What a killed training goes on from: one folder an epoch, of safetensors and JSON, without pickle.

epoch-00007/     model, moving average and optimizer as tensors, and numbers in state.json; the manifest comes last
best/            the weights of the best epoch so far, where one is chosen
"""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from datasets.files import MANIFEST, is_complete, new_folder, read_json, write_json

_TENSORS, _STATE = "tensors.safetensors", "state.json"


@dataclass(frozen=True)
class Checkpoint:
    """The state after `epoch` (from 1): tensors by name, and what JSON holds."""

    epoch: int
    tensors: Mapping[str, Tensor]
    state: Mapping[str, Any]

    def part(self, name: str) -> dict[str, Tensor]:
        """The tensors that were written under `name.`, without it."""
        prefix = f"{name}."
        return {key.removeprefix(prefix): value for key, value in self.tensors.items() if key.startswith(prefix)}


def write_checkpoint(
    folder: Path, *, epoch: int, parts: Mapping[str, Mapping[str, Tensor]], state: Mapping[str, Any]
) -> None:
    """Keep the state after an epoch in place of the one before; a kill at any moment leaves one of them whole."""
    with new_folder(folder / f"epoch-{epoch:05}") as new:
        save_file(
            {f"{name}.{key}": _saved(value) for name, part in parts.items() for key, value in part.items()},
            new / _TENSORS,
        )
        write_json(new / _STATE, {"epoch": epoch, **state})
        write_json(new / MANIFEST, {})
    for path in folder.glob("epoch-*"):
        if path.name < f"epoch-{epoch:05}":
            shutil.rmtree(path)


def read_checkpoint(folder: Path) -> Checkpoint | None:
    """The newest whole checkpoint; None where there is none."""
    newest = max((path for path in folder.glob("epoch-*") if is_complete(path)), default=None)
    if newest is None:
        return None
    state = read_json(newest / _STATE)
    return Checkpoint(state.pop("epoch"), load_file(newest / _TENSORS), state)


def write_best(folder: Path, weights: Mapping[str, Tensor]) -> None:
    """Keep the best epoch's weights in place of an earlier one's."""
    folder.mkdir(parents=True, exist_ok=True)
    part = folder / ".best.part"
    save_file({name: _saved(value) for name, value in weights.items()}, part)
    part.replace(folder / "best.safetensors")


def read_best(folder: Path) -> dict[str, Tensor]:
    return load_file(folder / "best.safetensors")


def optimizer_tensors(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """What an optimizer remembers, by `parameter.name`."""
    states: Mapping[int, Mapping[str, Any]] = optimizer.state_dict()["state"]
    return {
        f"{index}.{name}": value if isinstance(value, Tensor) else torch.tensor(value)
        for index, state in states.items()
        for name, value in state.items()
        if value is not None
    }


def optimizer_groups(optimizer: torch.optim.Optimizer) -> list[dict[str, Any]]:
    """Its groups' numbers (rates, momenta), as JSON holds them."""
    groups: list[dict[str, Any]] = optimizer.state_dict()["param_groups"]
    return groups


def restore_optimizer(
    optimizer: torch.optim.Optimizer, tensors: Mapping[str, Tensor], groups: list[dict[str, Any]]
) -> None:
    """Let an optimizer of the same parameters go on where another was."""
    states: dict[int, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        index, _, name = key.partition(".")
        states.setdefault(int(index), {})[name] = value
    known = optimizer.state_dict()["param_groups"]
    merged = [{**group, **_tupled(saved)} for group, saved in zip(known, groups, strict=True)]
    optimizer.load_state_dict({"state": states, "param_groups": merged})
    _lay_out_as_parameters(optimizer)


def _lay_out_as_parameters(optimizer: torch.optim.Optimizer) -> None:
    """Fused kernels go through memory, so what an optimizer remembers has to lie there as its parameters do."""
    for parameter, state in optimizer.state.items():
        for name, value in state.items():
            if value.shape == parameter.shape:
                state[name] = torch.empty_like(parameter).copy_(value)


def _tupled(group: Mapping[str, Any]) -> dict[str, Any]:
    """JSON has no tuples, AdamW's betas are one."""
    return {name: tuple(value) if name == "betas" else value for name, value in group.items()}


def _saved(value: Tensor) -> Tensor:
    return value.detach().cpu().clone(memory_format=torch.contiguous_format)
