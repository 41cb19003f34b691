"""The CVAT part of the project file. Credentials come from the environment, never from the file."""

from pydantic import Field

from datasets.taxonomy import Settings


class CvatSettings(Settings):
    """Where CVAT is and how tasks are cut; without `url` the embedded server is used."""

    url: str | None = None
    project: str = Field(default="carloop", min_length=1)
    segment_size: int = Field(default=100, gt=0, description="frames per job")
    image_quality: int = Field(default=90, ge=1, le=100, description="JPEG quality of CVAT's compressed frames")
