"""Weights to begin a training with, as safetensors; a pickle from outside only where somebody vouches for it."""

import subprocess
import sys
from pathlib import Path

from training.errors import NothingToTrain, TrainingFailed
from training.jobs import WEIGHTS_FILE, worker_environment
from training.predicting.opening import PICKLES, read_sha256


def read_starting_weights(path: Path, folder: Path, *, trust: str | None) -> tuple[Path, list[str]]:
    """A safetensors file with the weights of `path`, and notes. A trusted .pt is turned into one in `folder`.

    Where there is none, nothing is downloaded: published weights are pickles, so a person fetches them and vouches.

    Raises:
        NothingToTrain: there are no weights.
        UntrustedCheckpoint: the file has to be unpickled, which can run any code in it, and `trust` is not its SHA-256.
        TrainingFailed: it is trusted, but is no YOLO.
    """
    if not path.is_file():
        raise NothingToTrain(f"{path} is not there; give weights.safetensors of a training, or a .pt that you fetched")
    if path.suffix == ".safetensors":
        return path, []
    if path.suffix.lower() not in PICKLES:
        raise NothingToTrain(
            f"{path} holds no weights that are known; give weights.safetensors of a training, or a .pt"
        )
    sha256 = read_sha256(path, trust=trust)
    converted = folder / WEIGHTS_FILE
    if not converted.exists():
        _convert(path, converted)
    return converted, [f"the training began with the weights of {path.name} (SHA-256 {sha256}), unpickled as trusted"]


def _convert(path: Path, converted: Path) -> None:
    """In a process of its own, so that whatever the pickle does is done there."""
    converted.parent.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "training.starting_weights", str(path), str(converted)]
    done = subprocess.run(
        command, check=False, capture_output=True, text=True, env=worker_environment(converted.parent)
    )
    if done.returncode != 0:
        last = (done.stderr.strip().splitlines() or ["it wrote nothing"])[-1]
        raise TrainingFailed(f"{path} could not be read as a YOLO: {last}")


def _main(path: Path, converted: Path) -> None:
    from ultralytics.nn.tasks import load_checkpoint

    from training.outputs import write_weights

    model, _ = load_checkpoint(str(path))
    part = converted.with_suffix(".part")
    write_weights(model.float(), part)
    part.replace(converted)


if __name__ == "__main__":
    _main(Path(sys.argv[1]), Path(sys.argv[2]))
