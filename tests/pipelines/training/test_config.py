from pathlib import Path

import pytest

from datasets.taxonomy import Settings
from pipelines.errors import BadProject
from pipelines.training.config import read_config
from training.settings import DetectorSettings


class Inner(Settings):
    rate: float = 0.1
    steps: int = 10


class Outer(Settings):
    model: str = "small"
    inner: Inner = Inner()


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "config.yaml"
    path.write_text("model: large\ninner:\n  steps: 20\n")
    return path


def test_overrides_go_over_the_file_and_options_over_both(config: Path) -> None:
    found = read_config(
        config, Outer, overrides=["inner.rate=0.5", "model=medium"], options={"model": "tiny", "inner.steps": None}
    )

    assert found == Outer(model="tiny", inner=Inner(rate=0.5, steps=20))


def test_an_override_is_yaml(config: Path) -> None:
    assert read_config(config, Outer, overrides=["inner={rate: 2}"]).inner == Inner(rate=2)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["inner.rat=1"], "config.yaml does not fit: inner.rat: Extra inputs are not permitted"),
        (["inner.steps=many"], "inner.steps: Input should be a valid integer"),
        (["steps"], "'steps' is no override; write key=value"),
        ([".a=1"], "'.a=1' is no override"),
        (["model=[1"], "'model=\\[1' has no YAML value"),
    ],
)
def test_what_does_not_fit_is_refused_in_a_sentence(config: Path, overrides: list[str], message: str) -> None:
    with pytest.raises(BadProject, match=message):
        read_config(config, Outer, overrides=overrides)


@pytest.mark.parametrize(("text", "message"), [("- 1\n", "holds a list"), ("a: [", "cannot be read as YAML")])
def test_a_file_that_is_no_mapping_is_refused(config: Path, text: str, message: str) -> None:
    config.write_text(text)

    with pytest.raises(BadProject, match=message):
        read_config(config, Outer)


def test_a_missing_file_points_to_the_shipped_ones(tmp_path: Path) -> None:
    with pytest.raises(BadProject, match="is not there; configs/ has some"):
        read_config(tmp_path / "none.yaml", Outer)


def test_an_empty_file_gives_the_defaults(config: Path) -> None:
    config.write_text("")

    assert read_config(config, Outer) == Outer()


def test_the_shipped_detector_configuration_fits() -> None:
    assert read_config(Path(__file__).parents[3] / "configs" / "detector.yaml", DetectorSettings).val_fraction > 0
