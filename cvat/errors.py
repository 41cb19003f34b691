"""What can go wrong between Carloop and a CVAT server.

datasets.errors.CarloopError
└── CvatError
    ├── CvatUnavailable       no server at the address, or it stopped answering, or it failed
    ├── CvatRefused           the server answered and said no: password, rights, bad request
    │   └── CvatAbsent        the server has no such thing, or has it no more
    └── CvatConflict          what is there does not fit what Carloop has to do
"""

from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus

from cvat_sdk.core.exceptions import BackgroundRequestException, CvatSdkException
from cvat_sdk.exceptions import ApiException
from urllib3.exceptions import HTTPError

from datasets.errors import CarloopError

_EXCERPT = 300


class CvatError(CarloopError):
    """Something between Carloop and CVAT went wrong."""


class CvatUnavailable(CvatError):
    """Nobody answers at the server's address, or the server fails."""


class CvatRefused(CvatError):
    """The server answered and said no."""


class CvatAbsent(CvatRefused):
    """The server has no such thing, or has it no more."""


class CvatConflict(CvatError):
    """What the server has does not fit what has to be done."""


@contextmanager
def told_in_a_sentence(doing: str, url: str) -> Iterator[None]:
    """Turn what cvat-sdk raises into a CvatError that says what was being done, and where."""
    try:
        yield
    except ApiException as error:
        if not error.status:
            raise CvatUnavailable(
                f"cannot reach CVAT at {url} while {doing}: {error.reason}; is it running?"
            ) from error
        body = error.body.decode(errors="replace") if isinstance(error.body, bytes) else str(error.body or "")
        told = f"CVAT at {url} answered {error.status} while {doing}: {body[:_EXCERPT] or error.reason}"
        raise _kind_of(error.status)(told) from error
    except HTTPError as error:
        reason = getattr(error, "reason", None) or error
        raise CvatUnavailable(
            f"cannot reach CVAT at {url} while {doing}: {str(reason).rpartition('] ')[2]}; "
            "is it running, is the address right?"
        ) from error
    except CvatSdkException as error:
        kind = CvatRefused if isinstance(error, BackgroundRequestException) else CvatUnavailable
        raise kind(f"CVAT at {url} failed while {doing}: {str(error)[:_EXCERPT]}") from error


def _kind_of(status: int) -> type[CvatError]:
    if status == HTTPStatus.NOT_FOUND:
        return CvatAbsent
    has_failed = status >= HTTPStatus.INTERNAL_SERVER_ERROR or status == HTTPStatus.TOO_MANY_REQUESTS
    return CvatUnavailable if has_failed else CvatRefused
