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


def was_interrupted(error: object) -> bool:
    """Whether Ctrl-C is behind an error: a library that it interrupts may fail with one of its own."""
    return isinstance(error, KeyboardInterrupt) or (
        isinstance(error, BaseException) and was_interrupted(error.__context__)
    )
