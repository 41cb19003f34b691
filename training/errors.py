"""The errors of training.

    CarloopError
    ├── BadInput
    │   ├── BadBundle             a published model that does not fit what it says of itself
    │   │   └── TamperedBundle    a file of it has other bytes than its digest says
    │   ├── UndecodableImage      bytes that are no picture
    │   ├── NoSuchPrecision       a precision that this machine does not compute in
    │   ├── NothingToTrain        a dataset without labels for this model
    │   └── NotPublishable        a version that has no bundle yet
    ├── Unavailable
    │   └── StoreAway             a store of bundles that does not answer
    └── TrainingFailed            a training that ended without weights; the message names its log

CarloopError, BadInput and Unavailable are datasets' own.
"""

from datasets.errors import BadInput, CarloopError, Unavailable


class BadBundle(BadInput):
    """A published model that does not fit what its bundle.json says."""


class TamperedBundle(BadBundle):
    """A file of a bundle is missing or is not the one that was published."""


class UndecodableImage(BadInput):
    """Bytes that cannot be decoded as a picture."""


class NoSuchPrecision(BadInput):
    """A precision that this machine does not compute in."""


class NothingToTrain(BadInput):
    """A dataset in which no training image is labelled for this model."""


class NotPublishable(BadInput):
    """A model version that cannot be served because it has no bundle yet."""


class StoreAway(Unavailable):
    """A store of published bundles that does not answer now."""


class TrainingFailed(CarloopError):
    """A training ended without weights; its log says more."""
