"""Events and their data."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from itertools import accumulate
from typing import Any

from .errors import DataError

JSON = "application/json"
TEXT = "text/plain; charset=utf-8"
BYTES = "application/octet-stream"

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_UNREAD: Any = object()


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"`{name}` is no JSON number")


_DECODER = json.JSONDecoder(parse_constant=_refuse_constant)
_ENCODER = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))
_ASCII_ENCODER = json.JSONEncoder(ensure_ascii=True, allow_nan=False, separators=(",", ":"))


#: Deepest nesting that is read: the sandbox's stack (512 KiB) would overflow at some 1,500, and that is a fault.
DEPTH_MAX = 500
#: A string, one without an end included, so that the search is linear whatever the text.
_STRING = re.compile(r'"(?:[^"\\]++|\\.)*+(?:"|\\?\Z)', re.DOTALL)
_NO_BRACKET = bytes(byte for byte in range(256) if byte not in b"[]{}")
_STEPS = [{91: 1, 123: 1, 93: -1, 125: -1}.get(byte, 0) for byte in range(256)]


#: How often innermost pairs are taken away before brackets are looked at one by one: wide data is gone by then, at little cost.
_ROUNDS = 8
_CHUNK = 1024


def _is_too_deep(text: str) -> bool:
    """Whether brackets nest more than ``DEPTH_MAX`` deep. Next to that bound it may say so of data that is a little flatter."""
    if text.count("[") + text.count("{") <= DEPTH_MAX:
        return False
    if _nests(_brackets(text[: 4 * _CHUNK]), 0):  # what is nothing but brackets ends here, however long it is
        return True
    brackets = _brackets(text)
    for _ in range(_ROUNDS):
        brackets = brackets.replace(b"[]", b"").replace(b"{}", b"")
    return _nests(brackets, _ROUNDS)


def _brackets(text: str) -> bytes:
    return _STRING.sub("", text).encode("utf-8", "replace").translate(None, _NO_BRACKET)


def _nests(brackets: bytes, depth: int) -> bool:
    """Whether it goes over ``DEPTH_MAX`` somewhere, with so much around it already."""
    for at in range(0, len(brackets), _CHUNK):
        depths = list(accumulate(map(_STEPS.__getitem__, brackets[at : at + _CHUNK]), initial=depth))
        if max(depths) > DEPTH_MAX:
            return True
        depth = depths[-1]
    return False


def parse_json(text: str, what: str) -> Any:
    """Reads JSON as RFC 8259 has it; a :class:`DataError` names ``what`` and the place."""
    if _is_too_deep(text):
        raise DataError(f"{what} is no JSON that can be read: nested more than {DEPTH_MAX} deep")
    try:
        return _DECODER.decode(text)
    except RecursionError:
        raise DataError(f"{what} is no JSON that can be read: nested too deeply") from None
    except ValueError as error:
        raise DataError(f"{what} is no JSON: {error}") from None


def dump_json(value: Any) -> str:
    """Writes JSON on one line. Text is kept as it is; half a surrogate pair, which UTF-8 cannot carry, is escaped.

    A ``TypeError`` or ``ValueError`` where the value has no JSON form (a set, NaN).
    """
    text = _ENCODER.encode(value)
    return text if is_utf8(text) else _ASCII_ENCODER.encode(value)


def is_utf8(text: str) -> bool:
    """Whether a text has a UTF-8 form: no half of a surrogate pair stands alone in it."""
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def clean(text: object) -> str:
    """Any value as text that can cross the sandbox's border."""
    cleaned = str(text)
    return cleaned if is_utf8(cleaned) else cleaned.encode("utf-8", "backslashreplace").decode()


@dataclass(slots=True)
class Payload:
    """Data with its media type, for replies and publishes where a plain value is not enough.

    ``body`` is ``str`` or ``bytes``. An empty ``content_type`` means ``application/octet-stream``.
    """

    content_type: str
    body: str | bytes

    @classmethod
    def json(cls, value: Any) -> Payload:
        """A value as JSON, whatever its type: also ``None`` and ``str``."""
        return cls(JSON, dump_json(value))

    @classmethod
    def of(cls, value: Any, content_type: str | None = None) -> Payload:
        """What :func:`plugbus.publish` and a handler's return value go through.

        ``str`` becomes text, ``bytes`` become bytes, a ``Payload`` stays what it is, and anything else becomes JSON.
        ``content_type`` takes the place of the media type that follows from that.
        """
        if isinstance(value, Payload):
            return value if content_type is None else cls(content_type, value.body)
        if isinstance(value, str):
            return cls(TEXT if content_type is None else content_type, value)
        if isinstance(value, (bytes, bytearray, memoryview)):
            return cls(BYTES if content_type is None else content_type, bytes(value))
        return cls(JSON if content_type is None else content_type, dump_json(value))

    @property
    def text(self) -> str:
        """The data as text. :class:`DataError` where it is not UTF-8."""
        if isinstance(self.body, str):
            return self.body
        try:
            return self.body.decode()
        except UnicodeDecodeError as error:
            raise DataError(f"the data is no text: {error}") from None

    @property
    def data(self) -> bytes:
        """The data as bytes."""
        return self.body.encode() if isinstance(self.body, str) else self.body


@dataclass(slots=True)
class Event:
    """One event as one plugin sees it: the attributes of CloudEvents 1.0, with ``type`` called ``topic``."""

    #: Dot-separated tokens, for example ``hook.pre-tool-use.bash``.
    topic: str
    #: The data with its media type; see :attr:`json`, :attr:`text` and :attr:`data`.
    payload: Payload
    #: Unique together with ``source``. A repeated delivery carries the same id: use it to recognise doubles.
    id: str
    #: Who published it, for example ``hook/claude-code``. Publishers outside name themselves: no proof of who it was.
    source: str
    #: What the event is about, for example a session id.
    subject: str | None = None
    #: When it happened: nanoseconds since 1970-01-01T00:00:00Z. :attr:`time` is the same as a ``datetime``.
    time_ns: int = 0
    #: CloudEvents extension attributes; ``traceparent`` (W3C Trace Context) travels here.
    extensions: dict[str, str] = field(default_factory=dict)
    #: 1 for the first attempt to deliver this event to this plugin, 2 for the first repetition, and so on.
    attempt: int = 1
    _parsed: Any = field(default=_UNREAD, init=False, repr=False, compare=False)

    @property
    def json(self) -> Any:
        """The data as JSON: ``dict``, ``list``, ``str``, ``int``, ``float``, ``bool`` or ``None``. Parsed once.

        :class:`DataError` where it is none, which names the topic and the place; left alone it rejects the event.
        """
        if self._parsed is _UNREAD:
            self._parsed = parse_json(self.text, f"event on `{self.topic}`: the data")
        return self._parsed

    @property
    def text(self) -> str:
        """The data as text. :class:`DataError` where it is not UTF-8."""
        try:
            return self.payload.text
        except DataError as error:
            raise DataError(f"event on `{self.topic}`: {error}; `event.data` has the bytes") from None

    @property
    def data(self) -> bytes:
        """The data as bytes; empty where there is none."""
        return self.payload.data

    @property
    def content_type(self) -> str:
        """The media type of the data."""
        return self.payload.content_type

    @property
    def time(self) -> datetime:
        """When it happened, in UTC, to the microsecond."""
        return _EPOCH + timedelta(microseconds=self.time_ns // 1000)
