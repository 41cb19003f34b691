"""Errors of the embedded server.

CarloopError
├── CannotServe               the server cannot start; ends the command with its sentence
├── RefusedUpload             files that cannot become frames; becomes the message of the failed request
├── RefusedImport             a file that cannot become annotations; likewise
├── RefusedChoice             frames that cannot be ground truth; likewise, or a 400
└── ApiError                  an HTTP answer other than success, in the form CVAT gives it
    ├── BadRequest            400, with a sentence, a list of them, or fields and what is wrong with each
    ├── NotAuthenticated      401
    ├── Forbidden             403
    ├── NotFound              404
    ├── Conflict              409, with the id of the request that is under way
    └── FunctionFailed        a serverless function, or Nuclio itself, did not do as asked; has its status
"""

from typing import Any

from datasets.errors import BadInput, CarloopError, Unavailable

#: What everybody is told who wants something stored when the disk is full.
DISK_FULL = "The server's disk is full, so nothing was stored; free some space there and send it again."


class CannotServe(Unavailable):
    """The server cannot start as asked; the message says what to change."""


class RefusedUpload(BadInput):
    """Uploaded files that cannot become the frames of a task."""


class RefusedImport(BadInput):
    """A file that cannot become annotations."""


class RefusedChoice(BadInput):
    """Frames that cannot be the ground truth of a task."""


class ApiError(CarloopError):
    """An answer with an error status; `body` is sent as JSON."""

    status: int

    def __init__(self, body: Any) -> None:
        super().__init__(str(body))
        self.body = body


class BadRequest(ApiError):
    """The client sent something that cannot be accepted."""

    status = 400


class NotAuthenticated(ApiError):
    """No credentials, or credentials that are not known."""

    status = 401

    def __init__(self, detail: str = "Authentication credentials were not provided.") -> None:
        super().__init__({"detail": detail})


class Forbidden(ApiError):
    """The credentials do not cover this call."""

    status = 403

    def __init__(self, detail: str) -> None:
        super().__init__({"detail": detail})


class NotFound(ApiError):
    """Nothing has this id; `kind` is CVAT's name for what was looked up."""

    status = 404

    def __init__(self, kind: str) -> None:
        super().__init__({"detail": f"No {kind} matches the given query."})


class Conflict(ApiError):
    """The same background request is under way already."""

    status = 409

    def __init__(self, rq_id: str) -> None:
        super().__init__({"rq_id": rq_id})


class FunctionFailed(ApiError):
    """A serverless function, or Nuclio itself, did not do as asked. The status is passed on, as CVAT does."""

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status
