"""The errors of training.

    CarloopError
    ├── BadInput
    │   ├── BadBundle             a published model that does not fit what it says of itself
    │   │   └── TamperedBundle    a file of it has other bytes than its digest says
    │   ├── CannotExport          a format that this machine or model lacks something for
    │   ├── UntrustedCheckpoint   a file that only unpickling would open, and that nobody vouched for
    │   ├── UndecodableImage      bytes that are no picture
    │   ├── NoSuchPrecision       a precision that this machine does not compute in
    │   ├── NothingToTrain        a dataset without labels for this model
    │   ├── UnsuitableLabels      a dataset with labels that this model cannot learn from
    │   ├── NotComparable         two evaluations that are not of the same test set
    │   ├── NoSuchModel           a model or version that the registry does not have
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


class CannotExport(BadInput):
    """A format that a model cannot be exported to here, and why."""


class UntrustedCheckpoint(BadInput):
    """A file that has to be unpickled, and whose digest nobody vouched for."""


class UndecodableImage(BadInput):
    """Bytes that cannot be decoded as a picture."""


class NoSuchPrecision(BadInput):
    """A precision that this machine does not compute in."""


class NothingToTrain(BadInput):
    """A dataset in which no training image is labelled for this model."""


class UnsuitableLabels(BadInput):
    """Labels that this kind of model cannot learn from."""


class NotComparable(BadInput):
    """Two evaluations that are not of the same task and images."""


class NoSuchModel(BadInput):
    """A model, version or alias that the registry does not have."""


class NotPublishable(BadInput):
    """A model version that cannot be served because it has no bundle yet."""


class StoreAway(Unavailable):
    """A store of published bundles that does not answer now."""


class TrainingFailed(CarloopError):
    """A training ended without weights; its log says more."""
