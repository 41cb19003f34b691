"""What a training leaves: weights without pickle, an ONNX graph, its history, and the job it was."""

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

from datasets.files import MANIFEST, new_folder, write_json
from training.bundle import MODEL_FILE, file_sha256
from training.jobs import HISTORY_FILE, JOB_FILE, WEIGHTS_FILE, AnyJob

History = list[dict[str, float]]


def write_outputs(job: AnyJob, model: torch.nn.Module, graph: torch.nn.Module | None, history: History) -> None:
    """Fill `job.out` in one step: `model`'s weights, `graph`, if any, as ONNX; the manifest holds each's SHA-256."""
    with new_folder(job.out) as folder:
        write_weights(model, folder / WEIGHTS_FILE)
        if graph is not None:
            write_onnx(graph, folder / MODEL_FILE, image_size=job.settings.image_size)
        write_json(folder / HISTORY_FILE, history)
        write_json(folder / JOB_FILE, job.model_dump(mode="json"))
        files = {path.name: file_sha256(path) for path in sorted(folder.iterdir())}
        write_json(folder / MANIFEST, {"files": files})


def write_weights(model: torch.nn.Module, path: Path) -> None:
    save_file({name: value.detach().cpu().contiguous() for name, value in model.state_dict().items()}, path)


def read_weights(path: Path, model: torch.nn.Module) -> None:
    """Load into `model` every tensor that it has in the same shape; a class added since keeps its fresh head."""
    known: Mapping[str, Any] = model.state_dict()
    fitting = {name: value for name, value in load_file(path).items() if _fits(value, known.get(name))}
    model.load_state_dict(fitting, strict=False)


def write_onnx(graph: torch.nn.Module, path: Path, *, image_size: int) -> None:
    """Write `graph` for inputs (N, 3, image_size, image_size), any N. The same weights give the same bytes.

    A graph of two answers has them as `output` and `prototypes`, of one as `output`.
    """
    images = torch.zeros(2, 3, image_size, image_size)
    graph = graph.cpu().float().eval()
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # the tracer's deprecation; the newer exporter needs another package
        names = ["output", "prototypes"] if isinstance(graph(images), tuple) else ["output"]
        torch.onnx.export(
            graph,
            (images,),
            str(path),
            dynamo=False,
            opset_version=17,
            input_names=["images"],
            output_names=names,
            dynamic_axes={name: {0: "batch"} for name in ("images", *names)},
        )


def _fits(value: torch.Tensor, known: torch.Tensor | None) -> bool:
    return known is not None and known.shape == value.shape
