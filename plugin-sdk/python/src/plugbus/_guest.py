"""The component's side: from the world's types to the SDK's, and back. Imported only by what ``build.py`` generates."""

from __future__ import annotations

import importlib
import logging
import sys

from componentize_py_types import Err
from wit_world import exports
from wit_world.exports.subscriber import Registration
from wit_world.imports import logging as wit_logging
from wit_world.imports import publisher

from . import _host, log
from .errors import Denied, HttpError, Invalid, OverLimit, Reject, Retry, StateError
from .event import Event, Payload, clean
from .plugin import Plugin

try:
    from wit_world.imports import store
except ImportError:
    store = None  # built for the world without it

try:  # two interfaces of the world are called `types` then
    from wit_world.imports import plugbus_plugin_types as types

    from . import _guest_http
except ImportError:
    from wit_world.imports import types

    _guest_http = None  # built for the world without it

_NO_HTTP = "built without HTTP: `http = true` under [tool.plugbus] in pyproject.toml, and the origins under [grants] in the manifest"

_LEVELS = {
    "trace": wit_logging.Level.TRACE,
    "debug": wit_logging.Level.DEBUG,
    "info": wit_logging.Level.INFO,
    "warn": wit_logging.Level.WARN,
    "error": wit_logging.Level.ERROR,
    "critical": wit_logging.Level.CRITICAL,
}
_REFUSALS = {
    publisher.PublishError_Denied: Denied,
    publisher.PublishError_Invalid: Invalid,
    publisher.PublishError_OverLimit: OverLimit,
}


def _to_wit(payload: Payload) -> types.Payload:
    body = payload.body
    if isinstance(body, bytes):
        try:  # text costs the host and this runtime less than bytes, and means the same
            body = body.decode()
        except UnicodeDecodeError:
            return types.Payload(payload.content_type, types.Body_Bytes(body))
    return types.Payload(payload.content_type, types.Body_Text(body))


class _Imports:
    """The sandbox's imports as the SDK's host."""

    def __init__(self) -> None:
        self._buckets: dict[str, "store.Bucket"] = {}

    def publish(self, topic: str, payload: Payload, extensions: list[tuple[str, str]]) -> str:
        try:
            return publisher.publish(topic, _to_wit(payload), extensions)
        except Err as error:
            raise _REFUSALS[type(error.value)](error.value.value) from None

    def log(self, level: str, context: str, message: str) -> None:
        wit_logging.log(_LEVELS[level], context, message)

    def get(self, bucket: str, key: str) -> bytes | None:
        return self._ask(bucket, lambda open: open.get(key))

    def set(self, bucket: str, key: str, value: bytes) -> None:
        self._ask(bucket, lambda open: open.set(key, value))

    def delete(self, bucket: str, key: str) -> None:
        self._ask(bucket, lambda open: open.delete(key))

    def keys(self, bucket: str) -> list[str]:
        keys: list[str] = []
        cursor = None
        while True:
            page = self._ask(bucket, lambda open: open.list_keys(cursor))
            keys += page.keys
            cursor = page.cursor
            if cursor is None:
                return keys

    def http(self, request):
        if _guest_http is None:
            raise HttpError("denied", f"this component is {_NO_HTTP}")
        return _guest_http.send(request)

    def _ask(self, bucket, question):
        if store is None:
            raise StateError("this component is built without the store: `store = true` under [tool.plugbus] in pyproject.toml")
        try:
            if bucket not in self._buckets:
                self._buckets[bucket] = store.open(bucket)
            return question(self._buckets[bucket])
        except Err as error:
            said = error.value
            raise StateError(f"the store refused: {said.value if hasattr(said, 'value') else type(said).__name__}") from None


def subscriber(plugin: Plugin) -> type:
    """The class that the world's export wants, for a plugin."""
    if not isinstance(plugin, Plugin):
        raise TypeError(f"the variable `plugin` holds a {type(plugin).__name__}; a `plugbus.Plugin` is needed")
    if _guest_http is None and "plugbus.http" in sys.modules:
        raise ImportError(f"the plugin imports `plugbus.http` and is {_NO_HTTP}")
    importlib.import_module("plugbus.http")  # for a handler that imports it: there are no files in the host

    class Subscriber(exports.Subscriber):
        def init(self, config: str) -> Registration:
            _host.enter(_Imports())
            if "random" in sys.modules:  # its seed is that of the build
                sys.modules["random"].seed()
            root = logging.getLogger()
            if not any(isinstance(handler, log.LoggingHandler) for handler in root.handlers):
                root.addHandler(log.LoggingHandler())
                root.setLevel(logging.DEBUG)
            try:
                return Registration(plugin.start(config))
            except Reject as said:
                raise Err(said.reason) from None

        def handle(self, event: types.Event) -> types.Payload | None:
            payload = event.payload
            seen = Event(
                event.topic,
                Payload(payload.content_type, payload.body.value),
                event.id,
                event.source,
                event.subject,
                event.time_ns,
                dict(event.extensions),
                event.attempt,
            )
            try:
                reply = plugin.handle(seen)
            except Retry as said:
                raise Err(types.Failure_Retry(types.RetryHint(clean(said.reason), said.after_ms))) from None
            except Reject as said:
                raise Err(types.Failure_Reject(clean(said.reason))) from None
            return None if reply is None else _to_wit(reply)

    return Subscriber
