"""Which sources a command means: those of the project file, or recipe files."""

from collections.abc import Sequence
from pathlib import Path

import yaml
from pydantic import TypeAdapter, ValidationError

from datasets.taxonomy import validation_problems
from pipelines.errors import BadProject
from pipelines.project import Project
from scrapers.sources.settings import Source

_ADAPTER: TypeAdapter[Source] = TypeAdapter(Source)


def find_sources(project: Project, names: Sequence[str]) -> list[Source]:
    """The sources of these names, or in these recipe files; all of the project's where none is named.

    Raises:
        BadProject: there is no such source, or none at all.
    """
    known = {source.name: source for source in project.scrape.sources}
    if not known and not names:
        raise BadProject("no sources; put some under scrape: sources: in the project file, or name a recipe file")
    return [_find(name, known) for name in names] if names else list(known.values())


def _find(name: str, known: dict[str, Source]) -> Source:
    if name in known:
        return known[name]
    if name.endswith((".yaml", ".yml")):
        return read_recipe(Path(name))
    raise BadProject(
        f"no source is called {name!r}; there are {', '.join(known) or 'none'}, or give a recipe file (.yaml)"
    )


def read_recipe(path: Path) -> Source:
    """The source that a recipe file describes. Raises BadProject with every wrong key and value."""
    try:
        return _ADAPTER.validate_python(yaml.safe_load(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        raise BadProject(f"{path} is not there; examples/recipes/ has some recipes") from None
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise BadProject(f"{path} cannot be read as YAML: {' '.join(str(error).split())}") from None
    except ValidationError as error:
        raise BadProject(f"{path} does not fit: {'; '.join(validation_problems(error))}") from None
