"""Several processes that train one network together, a GPU each, as torchrun starts them.

Each holds the whole network and computes on its share of a batch; gradients are averaged before a step. Alone, a
process is rank 0 of one. Source: https://pytorch.org/docs/stable/elastic/run.html
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import torch
from torch import distributed, nn

from datasets.errors import BadInput

Row = dict[str, float]


def process_count() -> int:
    return distributed.get_world_size() if distributed.is_initialized() else 1


def process_rank() -> int:
    return distributed.get_rank() if distributed.is_initialized() else 0


def require_devices(devices: Sequence[int]) -> None:
    """Raise BadInput unless every GPU that is asked for can be used."""
    if (found := torch.cuda.device_count()) < len(devices):
        named = ", ".join(map(str, devices))
        raise BadInput(f"devices names {named}, and {found} of these GPUs can be used here; name others, or none")


@contextmanager
def joined() -> Iterator[None]:
    """The others that torchrun started are reached while the block runs; over gloo where there are no GPUs."""
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        yield
        return
    if torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    distributed.init_process_group("nccl" if torch.cuda.is_available() else "gloo")
    try:
        yield
    finally:
        distributed.destroy_process_group()


def share_gradients(model: nn.Module) -> nn.Module:
    """What to call in place of `model`, so that its gradients are the mean of all processes'."""
    if process_count() == 1:
        return model
    if torch.cuda.is_available():  # on a CPU torch has none
        model = nn.SyncBatchNorm.convert_sync_batchnorm(model)  # type: ignore[no-untyped-call]
    return nn.parallel.DistributedDataParallel(model)


def mean_of_all(row: Mapping[str, float], device: torch.device) -> Row:
    """Each value's mean over the processes."""
    if process_count() == 1:
        return dict(row)
    values = torch.tensor(list(row.values()), dtype=torch.float64, device=device)
    distributed.all_reduce(values)
    return dict(zip(row, (values / process_count()).tolist(), strict=True))


def agreed(row: Mapping[str, float]) -> Row:
    """The first process's row, so that all decide alike."""
    rows = [dict(row)]
    if process_count() > 1:
        distributed.broadcast_object_list(rows)
    return rows[0]
