"""timm's networks: dropout and a linear head on a backbone, with published weights where they can be had."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import requests
import timm
from huggingface_hub import constants
from torch import nn

from datasets.errors import BadInput
from training.jobs import OnNote
from training.outputs import read_weights
from training.settings import ClassifierSettings

_PATIENCE_SECONDS = 5


def make_network(
    settings: ClassifierSettings, *, classes: int, on_note: OnNote, initial_weights: Path | None = None
) -> nn.Module:
    """A network with `classes` logits, from earlier weights, published ones, or none, which a note tells.

    Raises:
        BadInput: timm has none of that name.
    """
    if not timm.is_model(settings.model):
        near = ", ".join(timm.list_models(f"*{settings.model.split('_')[0]}*")[:5]) or "resnet18, efficientnet_b0"
        raise BadInput(f"timm has no network {settings.model!r}; some that it has: {near}")
    network = None
    if settings.pretrained and initial_weights is None:
        network = _published(settings, classes, on_note)
    network = network or _make(settings, classes, pretrained=False)
    if initial_weights:
        read_weights(initial_weights, network)
    return network


def mean_and_std(network: nn.Module) -> tuple[Sequence[float], Sequence[float]]:
    """By channel, RGB: what pictures in [0, 1] are normalised with for this network."""
    known: dict[str, Any] = network.default_cfg  # type: ignore[assignment]
    return known["mean"], known["std"]


def _published(settings: ClassifierSettings, classes: int, on_note: OnNote) -> nn.Module | None:
    """The network with its published weights; None, and a note, where they are neither here nor to be fetched."""
    was_offline = constants.HF_HUB_OFFLINE
    is_away = was_offline or not _is_reachable(constants.ENDPOINT)
    constants.HF_HUB_OFFLINE = is_away  # else it tries for a minute
    try:
        return _make(settings, classes, pretrained=True)
    except Exception as error:  # each of the hub's clients raises its own kinds
        why = f"{constants.ENDPOINT} does not answer" if is_away else type(error).__name__
        on_note(f"the published weights of {settings.model} cannot be had ({why}); it begins without them")
        return None
    finally:
        constants.HF_HUB_OFFLINE = was_offline


def _make(settings: ClassifierSettings, classes: int, *, pretrained: bool) -> nn.Module:
    fixed = bool(timm.get_pretrained_cfg(settings.model).fixed_input_size)
    sized = {"img_size": settings.image_size} if fixed else {}
    network: nn.Module = timm.create_model(
        settings.model, pretrained=pretrained, num_classes=classes, drop_rate=settings.dropout, **sized
    )
    return network


def _is_reachable(address: str) -> bool:
    try:
        return requests.head(address, timeout=_PATIENCE_SECONDS).ok
    except requests.RequestException:
        return False
