"""The CVAT part of the project file. Credentials come from the environment, never from the file."""

from typing import Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, model_validator

from datasets.taxonomy import Settings

CVAT_VARIABLE = "CARLOOP_CVAT_URL"
"""The environment's address of CVAT, which goes before the project file's."""


class CvatSettings(Settings):
    """Where CVAT is, how tasks are cut, and how their images get there; without `url` the embedded server is used.

    With a `source` other than `upload`, CVAT fetches images itself: from its file share, from the cloud storage of
    that id, or from web addresses. The image store then lies there at `store_at`: a folder, a prefix or an address.

    Raises:
        ValueError: the source lacks what it needs, or jobs would overlap by all their frames.
    """

    url: str | None = None
    project: str = Field(default="carloop", min_length=1)
    task_size: int = Field(default=500, gt=0, description="images per task")
    segment_size: int = Field(default=100, gt=0, description="frames per job")
    overlap: int = Field(default=0, ge=0, description="frames that a job shares with the one before")
    image_quality: int = Field(default=90, ge=1, le=100, description="JPEG quality of CVAT's compressed frames")
    source: Literal["upload", "share", "cloud", "urls"] = "upload"
    store_at: str = ""
    cloud_storage: int | None = Field(default=None, gt=0)
    accept: Literal["acceptance", "completed"] = Field(
        default="acceptance", description="jobs to pull: completed at stage acceptance, or completed at any stage"
    )
    control_share: float = Field(default=0.05, ge=0, le=1, description="share of jobs without pre-labels")
    probe_share: float = Field(default=0, ge=0, le=1, description="share of frames of known truth that get a probe")
    probe_model: str = Field(default="damage_detector@1", description="model that planted pre-labels name as theirs")

    @model_validator(mode="after")
    def _parts_fit(self) -> Self:
        if self.overlap >= self.segment_size:
            raise ValueError(f"overlap {self.overlap} has to be less than segment_size {self.segment_size}")
        if (self.source == "cloud") != (self.cloud_storage is not None):
            raise ValueError("cloud_storage: is the id of a storage in CVAT, and goes with source: cloud alone")
        if self.source == "urls" and urlsplit(self.store_at).scheme not in ("http", "https"):
            raise ValueError("source: urls needs store_at:, the http address under which the image store is served")
        return self
