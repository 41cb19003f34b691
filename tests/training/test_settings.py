import pytest
from pydantic import ValidationError

from training.settings import ClassifierSettings, DetectorSettings, TrainingSettings, epochs_within


@pytest.mark.parametrize(("images", "epochs"), [(70, 44), (300, 10), (8, 100), (100_000, 1)])
def test_a_large_set_gets_fewer_epochs(images: int, epochs: int) -> None:
    settings = DetectorSettings(epochs=100, max_steps=400, batch=8)

    assert epochs_within(settings, images=images) == epochs


def test_epochs_stand_without_a_limit_on_steps() -> None:
    assert epochs_within(DetectorSettings(epochs=7), images=100_000) == 7


@pytest.mark.parametrize("detector", [{"model": "../weights.pt"}, {"image_size": 100}, {"epochs": 0}, {"epoch": 5}])
def test_what_cannot_be_trained_is_refused(detector: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        TrainingSettings.model_validate({"detector": detector})


def test_a_detector_on_several_gpus_is_refused_in_a_sentence() -> None:
    with pytest.raises(ValidationError, match="a YOLO trains on one GPU, not on 2; name one"):
        DetectorSettings(devices=(0, 1))
    assert ClassifierSettings(devices=(0, 1)).devices == (0, 1)
