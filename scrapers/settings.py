"""The scraping parts of the project file: from where, under which licences, and what is worth keeping."""

from pathlib import Path
from typing import Self

from pydantic import Field, model_validator

from datasets.blurring.settings import BlurSettings
from datasets.taxonomy import Settings
from scrapers.sources.settings import Source


class LicencePolicy(Settings):
    """Which licences may be used: shell patterns over their names (`licences.py`), `refused` being the stronger.

    What is in neither, or not stated at all, waits in quarantine until a person has decided. `allowed: ["*"]` lets in
    what states nothing too.
    """

    allowed: tuple[str, ...] = (
        "CC0-1.0",
        "CC-PDM-1.0",
        "public-domain",
        "CC-BY",
        "CC-BY-[0-9]*",
        "CC-BY-SA",
        "CC-BY-SA-[0-9]*",
    )
    refused: tuple[str, ...] = ("all-rights-reserved", "CC-BY-NC*", "CC-BY-ND*")


class RelevanceSettings(Settings):
    """What is too unlike a photograph of a car to be worth keeping; sizes in pixels of the upright image.

    `max_aspect` is the long side over the short one. Photographs whose hashes of 64 bits differ in fewer than
    `same_below` bits are the same one; 0 compares none. `min_score`, in [0, 1], is of the model in the folder `bundle`,
    for its classes `classes`, or all of them.
    """

    min_side: int = Field(default=200, ge=1)
    max_aspect: float = Field(default=4.0, ge=1)
    same_below: int = Field(default=3, ge=0, le=64)
    min_score: float | None = Field(default=None, ge=0, le=1)
    bundle: Path | None = None
    classes: tuple[str, ...] = ()


class ScrapeSettings(Settings):
    """Where images come from, which of them may be kept, and what of them annotators may not see."""

    sources: tuple[Source, ...] = ()
    licences: LicencePolicy = LicencePolicy()
    relevance: RelevanceSettings = RelevanceSettings()
    blur: BlurSettings = BlurSettings()
    max_tries: int = Field(default=5, ge=1, description="runs that ask for an address that fails")

    @model_validator(mode="after")
    def _names_differ(self) -> Self:
        names = [source.name for source in self.sources]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"sources: two are called {twice[0]!r}; give each a name of its own")
        return self
