"""The project file's `fetch:`: plain dataclasses, which pydantic reads too, so that a process for it starts fast."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar

from annotated_types import Ge, Gt


@dataclass(frozen=True, slots=True, kw_only=True)
class HostSettings:
    """What one host allows: requests at once, and in a second (None: as fast as it answers)."""

    __pydantic_config__: ClassVar[Mapping[str, Any]] = {"extra": "forbid"}

    at_once: Annotated[int, Ge(1)] = 4
    per_second: Annotated[float, Gt(0)] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchSettings:
    """Manners and limits of the client.

    `at_once` connections to all hosts together. `allow_private` names, as `host:port`, what may be on a private
    network; `ports` are allowed beside 80 and 443. `public` holds for every public host and `private` for those of
    `allow_private`, unless `hosts` names them, as `host:port`, or as `host` for all its ports. `timeout_s` is for each
    silence, `total_timeout_s` for a whole answer; a host that asks for longer pauses than `max_wait_s` is left alone.
    """

    __pydantic_config__: ClassVar[Mapping[str, Any]] = {"extra": "forbid"}

    user_agent: str = "carloop/0.1 (+https://example.invalid/carloop; contact: set fetch: user_agent)"
    timeout_s: Annotated[float, Gt(0)] = 20.0
    total_timeout_s: Annotated[float, Gt(0)] = 120.0
    max_wait_s: Annotated[float, Ge(0)] = 120.0
    max_image_bytes: Annotated[int, Gt(0)] = 30_000_000
    max_image_pixels: Annotated[int, Gt(0)] = 80_000_000
    max_page_bytes: Annotated[int, Gt(0)] = 10_000_000
    attempts: Annotated[int, Ge(1)] = 3
    at_once: Annotated[int, Ge(1)] = 64
    public: HostSettings = HostSettings(per_second=10.0)
    private: HostSettings = HostSettings(at_once=16)
    hosts: dict[str, HostSettings] = field(default_factory=dict)
    ports: tuple[int, ...] = ()
    allow_private: tuple[str, ...] = ()
