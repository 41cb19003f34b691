"""How many images a device's memory holds at once."""

import copy

import torch
from torch import nn

from training.devices import half_precision
from training.settings import AUTO_BATCH, ClassifierSettings

_MOST_AT_ONCE = 512


def fitting_batch(network: nn.Module, settings: ClassifierSettings) -> int:
    """The batch as set; for "auto" the largest power of two up to 512 that a GPU's memory holds, on a CPU 16."""
    if settings.batch != "auto":
        return settings.batch
    device = next(network.parameters()).device
    batch = _MOST_AT_ONCE if device.type == "cuda" else AUTO_BATCH
    while device.type == "cuda" and batch > AUTO_BATCH and not _fits(network, batch, settings.image_size):
        batch //= 2
    return batch


def _fits(network: nn.Module, batch: int, size: int) -> bool:
    """Whether one step's memory is there, with a tenth to spare; the network stays as it is."""
    trial = copy.deepcopy(network).train()
    device = next(trial.parameters()).device
    try:
        with torch.autocast(device.type, half_precision(device), enabled=half_precision(device) is not None):
            torch.autograd.backward(trial(torch.zeros(batch, 3, size, size, device=device)).sum())
        free, total = torch.cuda.mem_get_info(device)
        return free > total / 10
    except torch.OutOfMemoryError:
        return False
    finally:
        del trial
        torch.cuda.empty_cache()
