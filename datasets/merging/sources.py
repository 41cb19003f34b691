"""One file to merge."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from datasets.records import CocoFile


@dataclass(frozen=True)
class Source:
    """A file's content, and the name that counts for images and annotations that name no source themselves."""

    name: str
    content: CocoFile

    @cached_property
    def images(self) -> NDArray[np.int64]:
        """The place of each annotation's image in the file: (N,). Raises KeyError for an image that is not there."""
        place_of = {image.id: place for place, image in enumerate(self.content.images)}
        return np.array([place_of[annotation.image_id] for annotation in self.content.annotations], np.int64)
