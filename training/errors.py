"""The errors of training.

    CarloopError
    ├── BadInput
    │   ├── BadBundle             a published model that does not fit what it says of itself
    │   │   └── TamperedBundle    a file of it has other bytes than its digest says
    │   ├── UndecodableImage      bytes that are no picture
    │   ├── NothingToTrain        a dataset without labels for this model
    │   └── NotPublishable        a version that has no bundle yet
    └── TrainingFailed            a training that ended without weights; the message names its log

CarloopError and BadInput are datasets' own.
"""

from datasets.errors import BadInput, CarloopError


class BadBundle(BadInput):
    """A published model that does not fit what its bundle.json says."""


class TamperedBundle(BadBundle):
    """A file of a bundle is missing or is not the one that was published."""


class UndecodableImage(BadInput):
    """Bytes that cannot be decoded as a picture."""


class NothingToTrain(BadInput):
    """A dataset in which no training image is labelled for this model."""


class NotPublishable(BadInput):
    """A model version that cannot be served because it has no bundle yet."""


class TrainingFailed(CarloopError):
    """A training ended without weights; its log says more."""
