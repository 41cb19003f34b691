from datetime import UTC, datetime
from pathlib import Path

import pytest

from training.bundle import BundleSpec, pointer_path, read_bundle, read_pointer, write_bundle
from training.errors import NoSuchModel, NotPublishable
from training.promotion import complete_promotion, promote, publish_champion, roll_back
from training.registry import RegisteredVersion, Registry

MODEL = "damage_detector"
NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


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

    promote(registry, challenger, tmp_path, now=NOW)

    assert registry.champion("cleanliness_classifier") == challenger
    assert read_pointer(tmp_path, "cleanliness_classifier") == "c" * 64


def test_a_promotion_killed_half_way_is_completed(registry: Registry, training: Path, tmp_path: Path) -> None:
    version = registered(registry, training, "half-way")
    registry.set_alias("champion", registry.describe(version, bundle="e" * 64, metrics={}))
    assert read_pointer(tmp_path, MODEL) is None

    publish_champion(registry, MODEL, tmp_path)

    assert read_pointer(tmp_path, MODEL) == "e" * 64


def test_functions_on_other_machines_find_the_champion_in_the_store(
    registry: Registry, training: Path, tmp_path: Path
) -> None:
    (tmp_path / "graph").write_bytes(b"graph")
    spec = BundleSpec(task="detector", model=MODEL, version="1", class_names=("dent",), image_size=64)
    bundle = write_bundle(tmp_path / "bundles", spec, tmp_path / "graph")
    challenger = registry.describe(registered(registry, training, "elsewhere"), bundle=bundle, metrics={})

    promote(registry, challenger, tmp_path / "bundles", now=NOW, store=f"file://{tmp_path}/elsewhere")

    assert read_pointer(tmp_path / "elsewhere", MODEL) == bundle
    assert read_bundle(tmp_path / "elsewhere", bundle).model_path.read_bytes() == b"graph"


def test_a_version_without_bundle_is_not_promoted(registry: Registry, training: Path, tmp_path: Path) -> None:
    with pytest.raises(NotPublishable, match="has no bundle"):
        promote(registry, registered(registry, training, "bare"), tmp_path, now=NOW)


def described(
    registry: Registry, training: Path, key: str, *, model: str, parent: str | None = None
) -> RegisteredVersion:
    version = registry.register(model, key=key, dataset="d" * 64, parent=parent, training=training)
    return registry.describe(version, bundle=version.version[-1] * 64, metrics={})


def test_a_description_keeps_intervals_test_set_parity_and_decision(registry: Registry, training: Path) -> None:
    version = registered(registry, training, "told")

    registry.describe(
        version, bundle="b" * 64, metrics={"map50": 0.5}, intervals={"map50": (0.1 + 0.2, 0.7)}, test_set="t" * 64
    )
    registry.note_parity(version, "openvino", agrees=True, told="boxes within 0.1 px")
    registry.note_decision(version, "the champion stays")

    found = registry.find(version.name)
    assert (found.intervals, found.test_set) == ({"map50": (0.1 + 0.2, 0.7)}, "t" * 64)
    assert found.parity == {"openvino": (True, "boxes within 0.1 px")}
    assert found.decision == "the champion stays"


def test_a_rollback_goes_back_one_champion_at_a_time(registry: Registry, training: Path, tmp_path: Path) -> None:
    versions = [described(registry, training, f"in turn {n}", model="in_turn") for n in range(3)]
    for version in versions:
        promote(registry, version, tmp_path, now=NOW, reason="better")

    assert roll_back(registry, "in_turn", tmp_path, now=NOW, reason="it hid scratches") == versions[1]
    assert read_pointer(tmp_path, "in_turn") == versions[1].bundle
    promote(registry, versions[2], tmp_path, now=NOW)
    assert roll_back(registry, "in_turn", tmp_path, now=NOW) == versions[1]
    assert roll_back(registry, "in_turn", tmp_path, now=NOW) == versions[0]
    with pytest.raises(NoSuchModel, match="first champion"):
        roll_back(registry, "in_turn", tmp_path, now=NOW)

    told = [(turn.event, turn.version) for turn in registry.history("in_turn")]
    assert told[:4] == [("promoted", "1"), ("promoted", "2"), ("promoted", "3"), ("rolled back", "2")]
    assert registry.history("in_turn")[3].reason == "it hid scratches"


def test_a_rollback_killed_half_way_is_completed_and_not_done_twice(
    registry: Registry, training: Path, tmp_path: Path
) -> None:
    versions = [described(registry, training, f"killed {n}", model="killed") for n in range(3)]
    for version in versions:
        promote(registry, version, tmp_path, now=NOW)
    registry.note_turn(versions[1], "rolled back", now=NOW)  # and killed before the alias moved

    assert roll_back(registry, "killed", tmp_path, now=NOW) == versions[1]
    assert len(registry.history("killed")) == 4


def test_a_version_has_to_beat_the_champion_that_it_went_on_from(
    registry: Registry, training: Path, tmp_path: Path
) -> None:
    first = described(registry, training, "before 1", model="before")
    second = described(registry, training, "before 2", model="before", parent=first.version)
    assert registry.champion_before("before", "before 1") is None
    promote(registry, first, tmp_path, now=NOW)

    assert registry.champion_before("before", "before 1") is None, "there was none before it"
    assert registry.champion_before("before", "before 2") == first
    promote(registry, second, tmp_path, now=NOW)
    assert registry.champion_before("before", "before 2") == first, "killed after its promotion, it is decided again"
    assert registry.champion_before("before", "before 3") == second

    third = described(registry, training, "before 3", model="before", parent=second.version)
    own = described(registry, training, "before 4", model="before", parent=second.version)
    assert registry.challenger_before("before", "before 4") is None, "that of the round itself is not meant"
    assert registry.challenger_before("before", "before 5") == own
    promote(registry, third, tmp_path, now=NOW, by="before 4")
    assert registry.champion_before("before", "before 4") == second, "the champion that the round found"
    promote(registry, own, tmp_path, now=NOW, by="before 4")
    assert registry.champion_before("before", "before 4") == second, "the champion that the round found"
    assert registry.champion_before("before", "before 5") == own


def test_a_challenger_stays_it_until_a_round_judged_it(registry: Registry, training: Path) -> None:
    first = described(registry, training, "stays 1", model="stays")
    newer = registered(registry, training, "stays 2", model="stays")
    registry.describe(newer, bundle="2" * 64, metrics={}, as_challenger=False)
    assert registry.challenger_before("stays", "stays 3") == first

    registry.note_judged(first, by="stays 3")

    judged = registry.challenger_before("stays", "stays 3")
    assert judged is not None
    assert (judged.version, judged.judged_by) == (first.version, "stays 3")
    assert registry.challenger_before("stays", "stays 4") is None


def test_a_promotion_killed_before_the_alias_moved_is_completed_whatever_comes_next(
    registry: Registry, training: Path, tmp_path: Path
) -> None:
    first, second = (described(registry, training, f"dangling {n}", model="dangling") for n in range(2))
    registry.note_turn(first, "promoted", now=NOW, by="one")  # and killed
    complete_promotion(registry, "dangling", tmp_path)
    assert registry.champion("dangling") == first
    registry.note_turn(second, "promoted", now=NOW, by="two")  # and killed
    for _ in range(2):
        complete_promotion(registry, "dangling", tmp_path)
        assert (registry.champion("dangling"), read_pointer(tmp_path, "dangling")) == (second, second.bundle)
        pointer_path(tmp_path, "dangling").unlink()  # killed before it was served


def test_without_history_a_rollback_goes_to_the_parent(registry: Registry, training: Path, tmp_path: Path) -> None:
    first = described(registry, training, "older 1", model="older")
    second = described(registry, training, "older 2", model="older", parent=first.version)
    registry.set_alias("champion", second)

    assert roll_back(registry, "older", tmp_path, now=NOW) == first


def test_what_is_not_registered_is_told_with_what_is(registry: Registry, training: Path) -> None:
    described(registry, training, "asked for", model="asked_for")

    with pytest.raises(NoSuchModel, match="there are asked_for@challenger, asked_for@1"):
        registry.find("asked_for@champion")
    with pytest.raises(NoSuchModel, match="no model 'absent'"):
        registry.find("absent@1")
