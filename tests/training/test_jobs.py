import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from datasets.files import is_complete
from training import jobs
from training.errors import TrainingFailed
from training.jobs import DetectorJob, images_at_once, run_training, worker_command

WORKER = """
import json, sys
from pathlib import Path
from datasets.files import MANIFEST, new_folder, write_json
from training.jobs import JOB, images_at_once
job = JOB.validate_json(Path(sys.argv[1]).read_bytes())
if images_at_once(job) > LIMIT:
    print(json.dumps({"error": "OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB"}))
    sys.exit("=" * 60)  # as torchrun ends its log
print(json.dumps({"note": "a note"}))
with new_folder(job.out) as folder:
    write_json(folder / MANIFEST, {"halvings": job.halvings})
"""


RoomyFor = Callable[[int], None]


@pytest.fixture
def roomy_for(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> RoomyFor:
    """Lets a worker take the real one's place that has room for so many images at once."""

    def replace(limit: int) -> None:
        script = tmp_path / "worker.py"
        script.write_text(WORKER.replace("LIMIT", str(limit)))
        monkeypatch.setattr(jobs, "worker_command", lambda path, **_: [sys.executable, str(script), str(path)])

    return replace


def asking(job: DetectorJob, out: Path, *, batch: int | str) -> DetectorJob:
    settings = job.settings.model_copy(update={"batch": batch})
    return job.model_copy(update={"settings": settings, "out": out, "checkpoints": out.with_name("checkpoints")})


def test_out_of_memory_the_batch_is_halved_until_it_fits(
    detector_job: DetectorJob, roomy_for: RoomyFor, tmp_path: Path
) -> None:
    roomy_for(3)
    notes: list[str] = []

    run_training(
        asking(detector_job, tmp_path / "out", batch=8), log=tmp_path / "log", on_epoch=print, on_note=notes.append
    )

    assert is_complete(tmp_path / "out")
    assert notes == [
        "memory ran out with 8 images at once; it goes on with 4",
        "memory ran out with 4 images at once; it goes on with 2",
        "a note",
    ]


def test_what_does_not_fit_one_by_one_is_given_up(
    detector_job: DetectorJob, roomy_for: RoomyFor, tmp_path: Path
) -> None:
    roomy_for(0)

    with pytest.raises(TrainingFailed, match="ran out of memory; lower batch or image_size"):
        run_training(asking(detector_job, tmp_path / "out", batch=2), log=tmp_path / "log", on_epoch=print)


def test_checkpoints_go_when_the_training_is_complete(
    detector_job: DetectorJob, roomy_for: RoomyFor, tmp_path: Path
) -> None:
    roomy_for(8)
    job = asking(detector_job, tmp_path / "out", batch="auto")
    (tmp_path / "checkpoints").mkdir()

    run_training(job.model_copy(update={"halvings": 1}), log=tmp_path / "log", on_epoch=print)

    assert not (tmp_path / "checkpoints").exists()


def test_several_gpus_are_a_process_each_by_torchrun() -> None:
    one, two = (worker_command(Path("job.json"), processes=count) for count in (1, 2))

    assert one[1:] == ["-m", "training.worker", "job.json"]
    assert two[1:] == [
        "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m", "training.worker", "job.json",
    ]  # fmt: skip


@pytest.mark.parametrize(("batch", "halvings", "expected"), [(16, 0, 16), (16, 2, 4), (3, 5, 1), ("auto", 1, 8)])
def test_images_at_once_are_halved_but_never_none(
    detector_job: DetectorJob, batch: int | str, halvings: int, expected: int
) -> None:
    job = asking(detector_job, Path("out"), batch=batch).model_copy(update={"halvings": halvings})

    assert images_at_once(job) == expected
