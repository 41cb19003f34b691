"""A Nuclio dashboard, asked through nuclio-jupyter, with what that lacks: time limits, reasons, a quiet stdout.

Its functions wait for ever, its errors leave the answer out, it logs and prints to stdout, and it checks no
certificate. Source: nuclio/deploy.py of https://github.com/nuclio/nuclio-jupyter.
"""

import logging
import os
from collections.abc import Callable, Mapping
from contextlib import redirect_stdout, suppress
from copy import deepcopy
from io import StringIO
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Any, TypeVar

import requests
from nuclio import deploy  # type: ignore[import-untyped]
from nuclio.utils import DeployError  # type: ignore[import-untyped]
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from datasets.errors import CarloopError
from nuclio_functions.errors import DashboardUnavailable, DeployFailed

CALL_SECONDS = 90
"""Longer than Nuclio itself takes before it answers a deployment: a minute."""
NOT_FOUND, CONFLICT = 404, 409
_HEALTH_SECONDS = 10
_EXCERPT = 500

T = TypeVar("T")


class _Conflict(DeployFailed):
    """It exists already."""


class _Part(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class Metadata(_Part):
    name: str
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}


class LogLine(_Part):
    level: str = ""
    message: str = ""


class Status(_Part):
    state: str = ""
    message: str = ""
    logs: tuple[LogLine, ...] = ()
    port: int | None = Field(default=None, alias="httpPort")


class Deployed(_Part):
    """A function as a dashboard shows it. Each line of a build's log is shown once, to whoever asks first."""

    metadata: Metadata
    status: Status = Status()


class Health(_Part):
    """What a function says of itself: the model that it serves and the digest of its bundle."""

    model: str = ""
    bundle: str = ""
    error: str = ""


class Dashboard:
    """The dashboard at a URL such as http://127.0.0.1:8070. Every method raises DashboardUnavailable."""

    def __init__(self, url: str, *, call_seconds: float = CALL_SECONDS) -> None:
        self.url = url.rstrip("/")
        self._call_seconds = call_seconds
        _quieten()

    def functions(self) -> list[Deployed]:
        """Every function there is, by name. Raises DeployFailed for an answer that is none of Nuclio's."""
        told = self._ask(lambda: deploy.list_functions(self.url))
        if not isinstance(told, dict):
            raise DeployFailed(f"{self.url} lists no functions; is it a Nuclio dashboard?")
        return [self._parse(told[name]) for name in sorted(told)]

    def find(self, name: str) -> Deployed | None:
        """The function of that name; None where there is none."""
        answer = self._ask(lambda: deploy.get_function(f"{self.url}/api", name))
        if answer.status_code == NOT_FOUND:
            return None
        if not answer.ok:
            raise DeployFailed(f"{self.url} answered {answer.status_code} about {name}: {answer.text[:_EXCERPT]}")
        return self._parse(_json(answer))

    def push(self, config: Mapping[str, Any], project: str) -> None:
        """Create or replace a function, in a project that is made if need be, and don't wait for it.

        Raises DeployFailed when Nuclio refuses it.
        """
        sent = deepcopy(dict(config))  # it is given the project's label
        with suppress(_Conflict):  # somebody else made the project just now
            self._ask(lambda: deploy.find_or_create_project(f"{self.url}/api", project, create_new=True))
        self._ask(lambda: deploy.deploy_config(sent, self.url, sent["metadata"]["name"], project, watch=False))

    def remove(self, name: str) -> None:
        """Delete a function. Raises DeployFailed when Nuclio refuses to, as it does while it builds one."""
        self._ask(lambda: deploy.delete_func(name, self.url))

    def health(self, name: str) -> Health:
        """What the function says of itself, asked through the dashboard; an error where it says nothing."""
        headers = {"x-nuclio-function-name": name, "x-nuclio-path": "/healthz"}
        try:
            answer = requests.get(f"{self.url}/api/function_invocations", headers=headers, timeout=_HEALTH_SECONDS)
            return Health.model_validate_json(answer.content)
        except requests.RequestException as error:
            return Health(error=str(error))
        except ValidationError:
            return Health(error=f"it answered {answer.status_code}: {answer.text[:_EXCERPT]}")

    def _parse(self, told: object) -> Deployed:
        try:
            return Deployed.model_validate(told)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            told = f"{first['loc']}: {first['msg']}"
            raise DeployFailed(f"{self.url} tells of a function what cannot be read: {told}") from error

    def _ask(self, call: Callable[[], T]) -> T:
        try:
            return _within(self._call_seconds, call)
        except TimeoutError:
            seconds = f"{self._call_seconds:g} s"
            raise DashboardUnavailable(f"{self.url} did not answer within {seconds}; is Nuclio well?") from None
        except DeployError as error:
            raise self._told(error) from error
        except (ValueError, KeyError) as error:
            raise DeployFailed(f"{self.url} answered something other than JSON; is it a Nuclio dashboard?") from error
        except OSError as error:
            raise self._unavailable(error) from error
        except UnboundLocalError as error:  # what nuclio-jupyter makes of an OSError here and there
            raise self._unavailable(error.__context__ or error) from error

    def _told(self, error: DeployError) -> CarloopError:
        """nuclio-jupyter's error with what the dashboard answered, which it keeps to itself."""
        if isinstance(error.__context__, OSError):
            return self._unavailable(error.__context__)
        if error.err is None:
            return DeployFailed(f"{self.url}: {error}")
        answer = error.err.response
        kind = _Conflict if answer.status_code == CONFLICT else DeployFailed
        return kind(f"{self.url}: {error}: {answer.status_code} {answer.text[:_EXCERPT]}")

    def _unavailable(self, error: BaseException) -> DashboardUnavailable:
        what = type(error).__name__
        return DashboardUnavailable(f"no Nuclio dashboard answers at {self.url} ({what}); start it, or correct the URL")


def _json(answer: requests.Response) -> object:
    try:
        return answer.json()
    except ValueError:
        return None


def _within(seconds: float, call: Callable[[], T]) -> T:
    """What the call returns or raises. Raises TimeoutError when it takes longer: its thread is left behind."""
    results: SimpleQueue[tuple[T | None, Exception | None]] = SimpleQueue()

    def run() -> None:
        try:
            results.put((call(), None))
        except Exception as error:
            results.put((None, error))

    try:
        with redirect_stdout(StringIO()):  # nuclio-jupyter prints
            Thread(target=run, daemon=True).start()
            result, error = results.get(timeout=seconds)
    except Empty:
        raise TimeoutError from None
    if error:
        raise error
    return result  # type: ignore[return-value]


def _quieten() -> None:
    logging.getLogger("nuclio").setLevel(logging.CRITICAL)
    deploy.VERIFY_CERT = os.environ.get("NUCLIO_VERIFY_CERT", "true").lower() == "true"
