"""The project file: one place for classes, sources, thresholds, CVAT, functions and training.

Each folder owns the settings of its own part; here they are put together.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import Field, ValidationError

from cvat.settings import CvatSettings
from datasets.importing import TruthSettings
from datasets.selecting.settings import SelectionSettings
from datasets.split import SplitSettings
from datasets.taxonomy import DEFAULT_TAXONOMY, Category, Settings, Taxonomy, validation_problems
from pipelines.errors import BadProject
from pipelines.flows.settings import FlowSettings
from scrapers.fetching.settings import FetchSettings
from scrapers.settings import ScrapeSettings
from training.settings import TrainingSettings

SettingsModel = TypeVar("SettingsModel", bound=Settings)


class LoopSettings(Settings):
    """The loop's own choices."""

    seed_images: int = Field(default=60, gt=0, description="images labelled from scratch to make the first models")


class Project(Settings):
    """A whole project file; every key has a default."""

    name: str = Field(default="carloop", pattern=r"^[a-z0-9][a-z0-9-]*$")
    seed: int = Field(default=0, ge=0, lt=2**32)
    categories: tuple[Category, ...] = DEFAULT_TAXONOMY.categories
    split: SplitSettings = SplitSettings()
    truth: TruthSettings = TruthSettings()
    fetch: FetchSettings = FetchSettings()
    scrape: ScrapeSettings = Field(default=ScrapeSettings(), exclude=True)  # decides no run, so is in no run's key
    selection: SelectionSettings = SelectionSettings()
    cvat: CvatSettings = CvatSettings()
    training: TrainingSettings = TrainingSettings()
    loop: LoopSettings = LoopSettings()
    flows: FlowSettings = Field(default=FlowSettings(), exclude=True)  # decides when, and so is in no run's key

    @property
    def taxonomy(self) -> Taxonomy:
        return Taxonomy(categories=self.categories)


def read_project(path: Path) -> Project:
    """The project file at `path`. Raises BadProject with every wrong key and value."""
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise BadProject(f"{path} is not there; give --project a file like those in examples/") from None
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise BadProject(f"{path} cannot be read as YAML: {' '.join(str(error).split())}") from None
    return parse_project(content or {}, where=str(path))


def check_settings(model: type[SettingsModel], values: Mapping[str, Any]) -> SettingsModel:
    """Settings from a command's options. Raises BadProject with every wrong value."""
    try:
        return model.model_validate(dict(values))
    except ValidationError as error:
        raise BadProject(f"these options do not fit: {'; '.join(validation_problems(error))}") from None


def parse_project(content: Any, *, where: str) -> Project:
    """A project from plain data. Raises BadProject; `where` names the data in the message."""
    try:
        project = Project.model_validate(content)
        Taxonomy(categories=project.categories)
    except ValidationError as error:
        raise BadProject(f"{where} does not fit: {'; '.join(validation_problems(error))}") from None
    return project
