"""The errors of nuclio_functions.

CarloopError
├── BadInput
│   ├── BadRequest            a request that is not what CVAT sends
│   └── BadFunction           a function folder that cannot be run
├── Unavailable
│   ├── NoPublishedModel      nothing to predict with
│   ├── WorkerDied            a worker process ended in the middle of a call
│   └── DashboardUnavailable  no Nuclio at the address, or it stopped answering
├── FunctionError             a function that did not answer, or not with annotations
└── DeployFailed              Nuclio refused a function, or could not build or start it
"""

from datasets.errors import BadInput, CarloopError, Unavailable


class BadRequest(BadInput):
    """A request without a base64 image, or with a threshold outside [0, 1]."""


class BadFunction(BadInput):
    """A function folder whose function.yaml or handler cannot be used."""


class NoPublishedModel(Unavailable):
    """No bundle of the model is published, or none of those published can be read."""


class WorkerDied(Unavailable):
    """A function's worker process ended in the middle of a call."""


class FunctionError(CarloopError):
    """A function that gave no annotations for a frame; the message says which and why."""


class DashboardUnavailable(Unavailable):
    """No Nuclio dashboard answers at the address, or not in time."""


class DeployFailed(CarloopError):
    """Nuclio refused a function, or could not build or start it; the message has Nuclio's own reason."""
