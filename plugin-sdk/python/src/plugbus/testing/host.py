"""The host, played for tests."""

from __future__ import annotations

import json
import logging
import re
import tomllib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, time
from pathlib import Path
from typing import Any

from .. import _host, topic as topics
from ..errors import Denied, Invalid, OverLimit, Reject, StateError
from ..event import Event, Payload, parse_json
from ..log import LoggingHandler
from ..http import Request
from ..plugin import Plugin
from .http import Requests, Server

_EXTENSION_NAME = re.compile(r"[a-z0-9]{1,20}\Z")
_OWN_NAMES = {"specversion", "id", "source", "type", "subject", "time", "datacontenttype", "data"}
_EXTENSIONS_MAX = 32
_EXTENSION_VALUE_MAX = 4096
_CONTENT_TYPE_MAX = 255


@dataclass(slots=True)
class Published:
    """An event that left the sandbox."""

    topic: str
    payload: Payload
    extensions: dict[str, str]
    id: str

    @property
    def json(self) -> Any:
        """The data as JSON."""
        return parse_json(self.payload.text, f"published on `{self.topic}`: the data")

    @property
    def text(self) -> str:
        """The data as text."""
        return self.payload.text

    @property
    def data(self) -> bytes:
        """The data as bytes."""
        return self.payload.data


@dataclass(slots=True)
class LogLine:
    """A line of the log."""

    level: str
    context: str
    message: str


@dataclass(slots=True)
class _Limits:
    publishes_max: int = 64
    publish_bytes: int = 1 << 20
    kv_key_bytes: int = 256
    kv_value_bytes: int = 64 << 10
    kv_bytes: int = 16 << 20
    http_requests_max: int = 32


@dataclass(slots=True)
class _Call:
    """What one call has done so far; it counts where the call acks."""

    event: Event | None
    published: list[Published] = field(default_factory=list)
    bytes: int = 0


class Host:
    """One instance of a plugin, with the host played by this object.

    ``config`` is the manifest's ``[config]`` table, ``publish`` its filters, ``limits`` its ``[limits]`` (``publishes_max``,
    ``publish_bytes``, ``kv_key_bytes``, ``kv_value_bytes``, ``kv_bytes``, ``http_requests_max``), ``kv`` its grant of
    the store. ``http`` is the server that answers the requests of :mod:`plugbus.http`; without one they are denied. ``origins`` is
    the grant ``http`` of the manifest, by default every origin. :class:`plugbus.Reject` where the plugin refuses its configuration.
    """

    def __init__(
        self,
        plugin: Plugin,
        config: dict[str, Any] | None = None,
        *,
        publish: Sequence[str] = (">",),
        filters: Sequence[str] | None = None,
        limits: dict[str, int] | None = None,
        kv: bool = True,
        http: Server | None = None,
        origins: Sequence[str] | None = None,
    ) -> None:
        self._plugin = plugin
        self._grants = list(publish)
        self._limits = _Limits(**(limits or {}))
        self._kv = kv
        self._requests = Requests(http, origins, self._limits.http_requests_max)
        self._committed: dict[tuple[str, str], bytes] = {}
        self._state = self._committed
        self._call = _Call(None)
        #: What was published by handlers that acked, oldest first.
        self.published: list[Published] = []
        #: The log, oldest line first; of ``@plugin.setup`` too, and of handlers that failed.
        self.logs: list[LogLine] = []
        for text in [*self._grants, *(filters or [])]:
            wrong = topics.check_filter(text)
            if wrong:
                raise ValueError(f"filter {text!r} {wrong}")
        registered = self._start(config or {})
        #: The filters that are in force.
        self.filters: list[str] = list(filters) if filters is not None else registered
        if not self.filters:
            raise Reject("no filters: neither the plugin registers any nor does the manifest name some")

    @classmethod
    def from_manifest(
        cls, plugin: Plugin, path: str | Path, *, config: dict[str, Any] | None = None, http: Server | None = None
    ) -> Host:
        """A host that grants, configures and bounds what the manifest says. Members of ``config`` take the place of its own;
        ``http`` answers requests to the origins that it grants."""
        manifest = tomllib.loads(Path(path).read_text())
        known = _Limits.__dataclass_fields__
        limits = {name: value for name, value in manifest.get("limits", {}).items() if name in known}
        return cls(
            plugin,
            {**manifest.get("config", {}), **(config or {})},
            publish=manifest.get("publish", []),
            filters=manifest.get("filters"),
            limits=limits,
            kv=manifest.get("grants", {}).get("kv", False),
            http=http,
            origins=manifest.get("grants", {}).get("http", []),
        )

    def send(self, event: Event) -> Payload | None:
        """Gives the plugin an event, whatever its topic, and returns the reply.

        :class:`plugbus.Retry` or :class:`plugbus.Reject` where it fails; what it published and stored is thrown away. The
        exception that it really raised is the ``__cause__``, so a test's report shows the traceback of the handler.
        """
        self._call = _Call(event)
        self._state = dict(self._committed)
        try:
            with self._entered():
                reply = self._plugin.handle(event)
            self.published += self._call.published
            self._committed = self._state
            return reply
        finally:
            self._call = _Call(None)
            self._state = self._committed

    def reload(self, config: dict[str, Any] | None = None) -> None:
        """Makes the instance anew: setup is called again. The store stays; the module's variables stay too, unlike on a host."""
        self._start(config or {})

    def subscribes_to(self, topic: str) -> bool:
        """Whether the plugin would be given events of this topic."""
        return any(topics.matches(filter, topic) for filter in self.filters)

    @property
    def requests(self) -> list[Request]:
        """The HTTP requests that were let through, oldest first; of handlers that failed too."""
        return self._requests.sent

    def stored(self, key: str, bucket: str = "default") -> bytes | None:
        """The value of a key in the store, as handlers that acked have left it."""
        return self._committed.get((bucket, key))

    def _start(self, config: dict[str, Any]) -> list[str]:
        with self._entered():
            return self._plugin.start(json.dumps(config, default=_toml_text))

    @contextmanager
    def _entered(self) -> Iterator[None]:
        self._requests.begin()
        before = _host.enter(_Imports(self))
        root, handler = logging.getLogger(), LoggingHandler()
        level = root.level
        root.addHandler(handler)
        root.setLevel(logging.DEBUG)
        try:
            yield
        finally:
            root.setLevel(level)
            root.removeHandler(handler)
            _host.enter(before)


class _Imports:
    """The sandbox's imports, as the real host checks them."""

    def __init__(self, host: Host) -> None:
        self._host = host

    def publish(self, topic: str, payload: Payload, extensions: list[tuple[str, str]]) -> str:
        host, call = self._host, self._host._call
        if call.event is None:
            raise Denied("publishing is not allowed in `init`")
        names = [name for name, _ in extensions]
        if "traceparent" in call.event.extensions and "traceparent" not in names:
            extensions = [*extensions, ("traceparent", call.event.extensions["traceparent"])]
        wrong = _wrong(topic, payload, extensions)
        if wrong:
            raise Invalid(wrong)
        if topic.split(".")[0] == "plugbus" or not any(topics.matches(grant, topic) for grant in host._grants):
            raise Denied(f"`{topic}` is not covered by the manifest's `publish` filters")
        if len(call.published) >= host._limits.publishes_max:
            raise OverLimit(f"{host._limits.publishes_max} events for one event")
        if call.bytes + len(payload.data) > host._limits.publish_bytes:
            raise OverLimit(f"{host._limits.publish_bytes} bytes for one event")
        call.bytes += len(payload.data)
        id = f"{call.event.id}/{len(call.published)}"
        call.published.append(Published(topic, payload, dict(sorted(extensions)), id))
        return id

    def log(self, level: str, context: str, message: str) -> None:
        self._host.logs.append(LogLine(level, context, message))

    def http(self, request: Request) -> _host.Answer:
        return self._host._requests.send(request)

    def get(self, bucket: str, key: str) -> bytes | None:
        return self._state()[0].get((bucket, key))

    def set(self, bucket: str, key: str, value: bytes) -> None:
        state, limits = self._state()
        if not 1 <= len(key.encode()) <= limits.kv_key_bytes:
            raise StateError(f"the store refused: key {key!r} has {len(key.encode())} bytes; 1 to {limits.kv_key_bytes} are allowed")
        if len(value) > limits.kv_value_bytes:
            raise StateError(f"the store refused: value of key {key!r} has {len(value)} bytes; {limits.kv_value_bytes} are allowed")
        others = (name for name in state if name != (bucket, key))
        used = sum(len(name[0]) + len(name[1].encode()) + len(state[name]) + 64 for name in others)
        if used + len(bucket) + len(key.encode()) + len(value) + 64 > limits.kv_bytes:
            raise StateError(f"the store refused: key {key!r} takes it over {limits.kv_bytes} bytes")
        state[bucket, key] = value

    def delete(self, bucket: str, key: str) -> None:
        self._state()[0].pop((bucket, key), None)

    def keys(self, bucket: str) -> list[str]:
        return sorted(key for name, key in self._state()[0] if name == bucket)

    def _state(self) -> tuple[dict[tuple[str, str], bytes], _Limits]:
        if not self._host._kv:
            raise StateError("the store is not granted: `kv = true` under [grants] in the manifest")
        if self._host._call.event is None:
            raise StateError("the store refused: there is no event to commit with; use it in a handler")
        return self._host._state, self._host._limits


def _wrong(topic: str, payload: Payload, extensions: list[tuple[str, str]]) -> str | None:
    wrong = topics.check(topic)
    if wrong:
        return f"topic {topic!r} {wrong}"
    if len(payload.content_type.encode()) > _CONTENT_TYPE_MAX or _has_control(payload.content_type):
        return f"content type {payload.content_type!r}: at most {_CONTENT_TYPE_MAX} bytes without control characters"
    if len(extensions) > _EXTENSIONS_MAX:
        return f"{len(extensions)} extensions; at most {_EXTENSIONS_MAX} are allowed"
    for name, value in extensions:
        if not _EXTENSION_NAME.match(name) or name in _OWN_NAMES:
            return f"extension {name!r}: 1 to 20 of a-z and 0-9 are a name, and none of CloudEvents' own"
        if len(value.encode()) > _EXTENSION_VALUE_MAX or _has_control(value):
            return f"extension `{name}`: a value has at most {_EXTENSION_VALUE_MAX} bytes without control characters"
    return None


def _has_control(text: str) -> bool:
    return any(ord(character) < 32 or 127 <= ord(character) < 160 for character in text)


def _toml_text(value: Any) -> str:
    if isinstance(value, (date, time)):
        return value.isoformat()
    raise TypeError(f"config: {value!r} has no form in TOML")
