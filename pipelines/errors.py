"""What can go wrong in the flows and the command.

datasets.errors.CarloopError
├── datasets.errors.BadInput
│   └── BadProject            a project file that cannot be used
└── datasets.errors.Unavailable
    ├── ServiceFailed         a part that Carloop starts itself did not come up or went away
    └── RunBusy               another process is on the same run
"""

from datasets.errors import BadInput, Unavailable


class BadProject(BadInput):
    """A project file that is missing, broken, or says what cannot be."""


class ServiceFailed(Unavailable):
    """A server or worker that Carloop starts did not come up, or went away."""


class RunBusy(Unavailable):
    """Another process is working on this run."""
