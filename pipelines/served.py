"""Whether the functions serve what was promoted."""

import time
from collections.abc import Collection

import requests

from pipelines.errors import ServiceFailed

_PATIENCE_SECONDS = 120
_POLL_SECONDS = 0.1


def await_served(url: str, models: Collection[str]) -> None:
    """Wait until the function at `url` serves these models, as `damage_detector@3`: it follows what is published.

    Raises ServiceFailed when it does not within two minutes.
    """
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while (served := _read_served(url)) != set(models):
        if time.monotonic() > deadline:
            there, wanted = ", ".join(sorted(served)) or "nothing", ", ".join(sorted(models))
            raise ServiceFailed(f"the function at {url} serves {there} instead of {wanted}; see its log")
        time.sleep(_POLL_SECONDS)  # a function calls nobody back


def _read_served(url: str) -> set[str]:
    """What the function says that it serves; nothing while it doesn't answer."""
    try:
        response = requests.get(url, timeout=_PATIENCE_SECONDS)
        return set(response.json()["model"].split(", ")) if response.ok else set()
    except (requests.RequestException, ValueError, KeyError):
        return set()
