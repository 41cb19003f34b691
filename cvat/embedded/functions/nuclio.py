"""Nuclio: which functions there are, by its dashboard, and calling one."""

import logging
from collections.abc import Mapping
from typing import Annotated, Any, Literal
from urllib.parse import quote, urlsplit

import urllib3
from pydantic import AliasPath, BaseModel, BeforeValidator, Field, Json, ValidationError, field_validator

from cvat.embedded.errors import FunctionFailed

#: How long a function may think about one call, in seconds, as in CVAT.
TIMEOUT = 120

_log = logging.getLogger(__name__)


class FunctionAttribute(BaseModel):
    """An attribute that a function can give."""

    name: str
    input_type: str
    values: list[Any]


class FunctionLabel(BaseModel):
    """A label that a function can give; a skeleton's has labels for its parts."""

    name: str
    type: str = "unknown"
    attributes: list[FunctionAttribute] = []
    sublabels: list["FunctionLabel"] = []
    svg: str = ""

    @field_validator("attributes", "sublabels")
    @classmethod
    def _has_unique_names(cls, items: list[Any]) -> list[Any]:
        return _unique(items)

    def show(self) -> dict[str, Any]:
        """The label as CVAT shows it."""
        parts = {"sublabels": [part.show() for part in self.sublabels], "svg": self.svg}
        told = {"name": self.name, "type": self.type, "attributes": [item.model_dump() for item in self.attributes]}
        return {**told, **parts} if self.type == "skeleton" else told


def _unique(items: list[Any]) -> list[Any]:
    if len({item.name for item in items}) != len(items):
        raise ValueError("names are not unique")
    return items


def _note(name: str) -> AliasPath:
    return AliasPath("metadata", "annotations", name)


class Function(BaseModel):
    """A function as Nuclio's dashboard describes it."""

    id: str = Field(validation_alias=AliasPath("metadata", "name"))
    kind: Literal["detector", "interactor", "reid", "tracker"] = Field(validation_alias=_note("type"))
    name: str = Field("", validation_alias=_note("name"))
    description: str = Field("", validation_alias=AliasPath("spec", "description"))
    version: int = Field(1, validation_alias=_note("version"))
    labels: Annotated[Json[list[FunctionLabel]], BeforeValidator(lambda text: text or "[]")] = Field(
        "[]", validation_alias=_note("spec"), validate_default=True
    )
    port: int | None = Field(None, validation_alias=AliasPath("status", "httpPort"))
    min_pos_points: int = Field(1, validation_alias=_note("min_pos_points"))
    min_neg_points: int = Field(-1, validation_alias=_note("min_neg_points"))
    startswith_box: bool = Field(False, validation_alias=_note("startswith_box"))
    startswith_box_optional: bool = Field(False, validation_alias=_note("startswith_box_optional"))
    help_message: str = Field("", validation_alias=_note("help_message"))
    animated_gif: str = Field("", validation_alias=_note("animated_gif"))

    @field_validator("labels")
    @classmethod
    def _has_unique_names(cls, labels: list[FunctionLabel]) -> list[FunctionLabel]:
        return _unique(labels)

    def show(self) -> dict[str, Any]:
        """The function as CVAT shows it."""
        told = {
            "id": self.id,
            "kind": self.kind,
            "labels_v2": [label.show() for label in self.labels],
            "description": self.description,
            "name": self.name or self.id,
            "version": self.version,
        }
        if self.kind != "interactor":
            return told
        points = ("min_pos_points", "min_neg_points", "startswith_box", "startswith_box_optional")
        return {**told, **self.model_dump(include={*points, "help_message", "animated_gif"})}


class Nuclio:
    """The dashboard at an address. A function is called on its own port there, or through the dashboard without one."""

    def __init__(self, url: str) -> None:
        self._url = url.rstrip("/")
        self._host = urlsplit(self._url).hostname
        self._http = urllib3.PoolManager(timeout=TIMEOUT, retries=False, maxsize=16)

    def functions(self) -> list[Function]:
        """All functions; one that CVAT could not use is left out, with a line in the log. Raises FunctionFailed."""
        found = []
        for told in self._ask("GET", f"{self._url}/api/functions").values():
            try:
                found.append(Function.model_validate(told))
            except ValidationError as error:
                _log.warning("a function of %s is left out: %s", self._url, error)
        return found

    def function(self, id_: str) -> Function:
        """One function. Raises FunctionFailed where there is none, or none that CVAT could use."""
        url = f"{self._url}/api/functions/{quote(id_, safe='')}"
        try:
            return Function.model_validate(self._ask("GET", url))
        except ValidationError as error:
            raise FunctionFailed(500, f"{id_}: the function's description cannot be used: {error}") from None

    def invoke(self, function: Function, payload: Mapping[str, Any]) -> Any:
        """What a function answers. Raises FunctionFailed, with the function's own words."""
        if function.port:
            return self._ask("POST", f"http://{self._host}:{function.port}/", json=payload)
        headers = {"x-nuclio-function-name": function.id, "x-nuclio-path": "/"}
        return self._ask("POST", f"{self._url}/api/function_invocations", json=payload, headers=headers)

    def _ask(self, method: str, url: str, **options: Any) -> Any:
        try:
            answer = self._http.request(method, url, redirect=False, **options)
        except urllib3.exceptions.ReadTimeoutError:
            raise FunctionFailed(504, f"{url} did not answer within {TIMEOUT} seconds") from None
        except urllib3.exceptions.HTTPError as error:
            raise FunctionFailed(503, f"{url} cannot be reached: {error}") from None
        if answer.status >= 300:
            words = answer.data[:500].decode(errors="replace")
            status = answer.status if answer.status >= 400 else 502  # nothing here redirects
            raise FunctionFailed(status, f"{answer.status} {answer.reason} for url {url}: {words}")
        try:
            return answer.json()
        except ValueError as error:
            raise FunctionFailed(500, f"{url} answered with something other than JSON: {error}") from None
