"""Where to train and in which precision; the same machine gives the same answer."""

import hashlib
import random
from typing import Any

import numpy as np
import torch

_NO_MEMORY = ("out of memory", "can't allocate memory", "not enough memory")


def training_device() -> torch.device:
    """This process's GPU, where there is one."""
    return torch.device("cuda", torch.cuda.current_device()) if torch.cuda.is_available() else torch.device("cpu")


def be_deterministic(*, seed: int) -> None:
    """From now on the same numbers each time, where an operation has a way to do so."""
    torch.manual_seed(seed)
    torch.use_deterministic_algorithms(True, warn_only=True)
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]  # slow, and needless


def has_fast_bfloat16(device: torch.device) -> bool:
    """Whether the hardware multiplies in bfloat16, which on such a CPU halves the time of a convolution."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    capabilities = torch.cpu.get_capabilities()
    return bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))


def half_precision(device: torch.device) -> torch.dtype | None:
    """What to compute in beside float32: bfloat16 where it is fast, float16, whose gradients want scaling, on any other
    GPU, and nothing on any other CPU."""
    if has_fast_bfloat16(device):
        return torch.bfloat16
    return torch.float16 if device.type == "cuda" else None


def is_out_of_memory(error: Exception) -> bool:
    """Whether a device, or the system, had no memory left."""
    return isinstance(error, (torch.OutOfMemoryError, MemoryError)) or any(sign in str(error) for sign in _NO_MEMORY)


def channels_last(module: Any) -> torch.nn.Module:
    """The module with its images' channels innermost in memory: half as fast again on a CPU, same values."""
    converted: torch.nn.Module = module.to(memory_format=torch.channels_last)
    return converted


def seed_epoch(*, seed: int, epoch: int) -> int:
    """Begin an epoch's randomness (Python's, NumPy's, torch's) anew from both numbers alone, and return its seed.

    A training that goes on after any epoch so sees what it would have seen without the break.
    """
    both = int.from_bytes(hashlib.sha256(f"{seed}:{epoch}".encode()).digest()[:4])
    random.seed(both)
    np.random.seed(both)  # the libraries draw from it
    torch.manual_seed(both)
    return both
