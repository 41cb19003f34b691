from pathlib import Path

import pytest

from training.bundle import read_pointer
from training.errors import NotPublishable
from training.evaluate import ClassifierScores, DetectorScores
from training.promotion import decide, promote, publish_champion
from training.registry import RegisteredVersion, Registry
from training.settings import PromotionSettings

MODEL = "damage_detector"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("registry")


@pytest.fixture(scope="module")
def registry(folder: Path) -> Registry:
    return Registry(f"sqlite:///{folder / 'mlflow.db'}", folder / "artifacts")


@pytest.fixture
def training(tmp_path: Path) -> Path:
    """The folder of a finished training, as far as the registry looks into it."""
    (tmp_path / "training").mkdir()
    (tmp_path / "training" / "weights.safetensors").write_bytes(b"weights")
    return tmp_path / "training"


def registered(registry: Registry, training: Path, key: str, *, model: str = MODEL) -> RegisteredVersion:
    return registry.register(model, key=key, dataset="d" * 64, parent=None, training=training)


def test_a_key_is_registered_once(registry: Registry, training: Path) -> None:
    first = registered(registry, training, "once")
    again = registered(registry, training, "once")
    other = registered(registry, training, "another")

    assert again == first
    assert int(other.version) == int(first.version) + 1
    assert first.weights.read_bytes() == b"weights"


def test_a_description_is_kept_and_makes_the_challenger(registry: Registry, training: Path) -> None:
    version = registered(registry, training, "described")

    registry.describe(version, bundle="b" * 64, metrics={"map50_95": 0.1 + 0.2})

    challenger = registry.challenger(MODEL)
    assert challenger is not None
    assert (challenger.name, challenger.bundle) == (version.name, "b" * 64)
    assert challenger.metrics == {"map50_95": 0.1 + 0.2}


def test_a_promoted_version_is_champion_and_served(registry: Registry, training: Path, tmp_path: Path) -> None:
    assert registry.champion("cleanliness_classifier") is None
    version = registered(registry, training, "promoted", model="cleanliness_classifier")
    challenger = registry.describe(version, bundle="c" * 64, metrics={})

    promote(registry, challenger, tmp_path)

    assert registry.champion("cleanliness_classifier") == challenger
    assert read_pointer(tmp_path, "cleanliness_classifier") == "c" * 64


def test_a_promotion_killed_half_way_is_completed(registry: Registry, training: Path, tmp_path: Path) -> None:
    version = registered(registry, training, "half-way")
    registry.set_alias("champion", registry.describe(version, bundle="e" * 64, metrics={}))
    assert read_pointer(tmp_path, MODEL) is None

    publish_champion(registry, MODEL, tmp_path)

    assert read_pointer(tmp_path, MODEL) == "e" * 64


def test_a_version_without_bundle_is_not_promoted(registry: Registry, training: Path, tmp_path: Path) -> None:
    with pytest.raises(NotPublishable, match="has no bundle"):
        promote(registry, registered(registry, training, "bare"), tmp_path)


def detector(map50_95: float | None) -> DetectorScores:
    return DetectorScores(map50_95, map50_95, {})


@pytest.mark.parametrize(
    ("champion", "challenger", "min_gain", "promoted", "reason"),
    [
        (None, detector(0.3), 0.0, True, "no champion yet"),
        (detector(0.3), detector(0.35), 0.0, True, "mAP50-95 0.3500 against the champion's 0.3000"),
        (detector(0.3), detector(0.3), 0.0, False, "the champion stays"),
        (detector(0.3), detector(0.35), 0.1, False, "at least 0.1 needed"),
        (detector(0.3), detector(None), 0.0, False, "no labels"),
        (ClassifierScores(0.8, 0.9), ClassifierScores(0.9, 0.8), 0.0, True, "macro F1 0.9000"),
    ],
)
def test_the_primary_metric_decides(
    champion: DetectorScores | None, challenger: DetectorScores, min_gain: float, promoted: bool, reason: str
) -> None:
    decision = decide(champion, challenger, PromotionSettings(min_gain=min_gain))

    assert decision.promote is promoted
    assert reason in decision.reason
