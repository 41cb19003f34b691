"""The root of Carloop's errors, and those of datasets.

    CarloopError                  one sentence: what, where, what to do
    ├── BadInput                  a file or setting that a person has to change
    │   ├── BadDataset            a dataset that cannot be read
    │   │   └── TooManyPixels     an image that would take too much memory
    │   └── UnknownCategory       a class that the project file does not name
    └── Unavailable               a service, port, disk or memory that is not there right now

A command that meets one prints its sentence and ends with exit code 1; anything else is a bug.
"""


class CarloopError(Exception):
    """Something a person can mend; the message says what, where and what to do."""


class BadInput(CarloopError):
    """Input that has to be changed before the same command can work."""


class BadDataset(BadInput):
    """A dataset, or a file of one, that cannot be read."""


class TooManyPixels(BadDataset):
    """An image of more pixels than are safe to decode."""


class UnknownCategory(BadInput):
    """A class name that the project file neither has nor maps."""


class Unavailable(CarloopError):
    """A service or resource that is missing now; the same command may work later."""
