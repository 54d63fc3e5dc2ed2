"""The seam to the host: the sandbox's imports in a component, a recorder in a test."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

from .errors import StateError
from .event import Payload

if TYPE_CHECKING:
    from .http import Request

#: The levels of the log, least serious first.
LEVELS = ("trace", "debug", "info", "warn", "error", "critical")


class Answer(NamedTuple):
    """What came back for a request."""

    status: int
    #: In order; a name may come more than once.
    headers: list[tuple[str, str]]
    body: bytes
    is_cut: bool


class Host(Protocol):
    """What a plugin may call."""

    def publish(self, topic: str, payload: Payload, extensions: list[tuple[str, str]]) -> str: ...
    def log(self, level: str, context: str, message: str) -> None: ...
    def get(self, bucket: str, key: str) -> bytes | None: ...
    def set(self, bucket: str, key: str, value: bytes) -> None: ...
    def delete(self, bucket: str, key: str) -> None: ...
    def keys(self, bucket: str) -> list[str]: ...
    def http(self, request: Request) -> Answer: ...


_current: Host | None = None


def current() -> Host | None:
    """The host that the running code speaks to; none outside of a component and of ``plugbus.testing``."""
    return _current


def enter(host: Host | None) -> Host | None:
    """Makes a host the current one; returns the one before."""
    global _current
    before, _current = _current, host
    return before


def store() -> Host:
    """The host, for the store."""
    if _current is None:
        raise StateError("there is no store here: use it in a handler")
    return _current
