"""A small client for HTTP, over ``wasi:http``.

It needs ``http = true`` under ``[tool.plugbus]`` in ``pyproject.toml``, and the origins that the plugin may reach in its manifest::

    [grants]
    http = ["https://api.example.com"]

One call sends a request and waits for the answer::

    from plugbus.http import request

    answer = request("https://api.example.com/rates", "POST", json={"currency": "EUR"})
    if answer.ok:
        euros = answer.json()["euros"]

It holds up this plugin and nothing else in the host. Redirections are not followed. Of one event come at most 32 requests, by
default (``http_requests_max`` in the manifest's ``[limits]``). :mod:`plugbus.testing` plays the servers of a test.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from . import _host
from .errors import HttpError
from .event import clean, dump_json, is_utf8, parse_json

__all__ = ["HttpError", "RESPONSE_BYTES_MAX", "Request", "Response", "TIMEOUT", "check_url", "request"]

#: How long an exchange may take unless the call says otherwise, in seconds: below the 5 s that a handler has by default.
TIMEOUT = 4.0
#: How many bytes of a response's body are read unless the call says otherwise.
RESPONSE_BYTES_MAX = 64 * 1024

#: A token of RFC 9110.
_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+\Z")
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_STRANGE = re.compile(r"[^\x21-\x7e]")
_URL = re.compile(r"(https?)://([^/?#]*)([^#]*)", re.IGNORECASE)
_SHOWN_CHARS_MAX = 200
_UNSET: Any = object()


@dataclass(frozen=True, slots=True)
class Request:
    """A request as it leaves the plugin; the server of a test is given one."""

    #: In capitals.
    method: str
    #: As the plugin wrote it.
    url: str
    #: Names in lower case, and values, in order.
    headers: tuple[tuple[str, str], ...] = ()
    #: Empty for none.
    body: bytes = b""
    #: Seconds that the whole exchange may take.
    timeout: float = TIMEOUT
    #: How many bytes of the response's body are wanted.
    response_bytes_max: int = RESPONSE_BYTES_MAX

    def header(self, name: str) -> str | None:
        """The value of the first header of that name, in any case of letters; ``None`` where there is none."""
        return next((value for own, value in self.headers if own == name.lower()), None)

    def text(self) -> str:
        """The body as text; bytes that are no UTF-8 become U+FFFD."""
        return self.body.decode("utf-8", "replace")

    def json(self) -> Any:
        """The body as JSON. :class:`plugbus.DataError` where it is none."""
        return parse_json(self.text(), "the request's body")


@dataclass(frozen=True, slots=True)
class Response:
    """What a server answered. Any status is an answer."""

    #: The status code, 100 to 599.
    status: int
    #: Headers by name in lower case; one that came several times has its values with commas between them.
    headers: dict[str, str] = field(default_factory=dict)
    #: The body, as much of it as was wanted.
    body: bytes = b""
    #: Whether the body is not whole: it is longer than was wanted, or it broke off or the time was up while it was read.
    is_cut: bool = False

    @property
    def ok(self) -> bool:
        """Whether the status is 200 to 299."""
        return 200 <= self.status <= 299

    def text(self) -> str:
        """The body as text; bytes that are no UTF-8 become U+FFFD."""
        return self.body.decode("utf-8", "replace")

    def json(self) -> Any:
        """The body as JSON. :class:`plugbus.DataError` where it is none, which, left alone, rejects the event; a body that was
        cut is none."""
        return parse_json(self.text(), "the response (cut)" if self.is_cut else "the response")


def request(
    url: str,
    method: str = "GET",
    *,
    headers: Mapping[str, str] | Iterable[tuple[str, str]] = (),
    body: str | bytes | bytearray | memoryview = b"",
    json: Any = _UNSET,
    timeout: float = TIMEOUT,
    response_bytes_max: int = RESPONSE_BYTES_MAX,
) -> Response:
    """Sends a request and waits for the answer.

    ``method`` is written in capitals. ``headers`` are a mapping, or pairs where a name comes more than once. ``body`` is sent as it
    is, a ``str`` as UTF-8; ``json`` takes its place with a value as JSON, ``None`` included, and its content type where ``headers``
    has none. ``timeout`` is in seconds, for the whole exchange until the last byte that is wanted: 4 by default, below the 5 s that
    a handler has by default (``deadline_ms`` in the manifest's ``[limits]``). ``response_bytes_max`` is how many bytes of the
    response's body are read, 64 KiB by default; what is longer is cut, and :attr:`Response.is_cut` says so.

    :class:`HttpError` where there is no answer. A ``TypeError`` or ``ValueError`` where ``json`` has no JSON form, and a
    ``TypeError`` where ``body`` and ``json`` are both given or one has a wrong type.
    """
    check_url(url)
    if not isinstance(method, str) or not _TOKEN.match(method):
        raise HttpError("invalid", f"{_shown(method)} is not a method")
    _check_bounds(timeout, response_bytes_max)
    pairs = [_header(name, value) for name, value in (headers.items() if isinstance(headers, Mapping) else headers)]
    names = {name for name, _ in pairs}
    data = _body(body, json)
    if json is not _UNSET and "content-type" not in names:
        pairs.append(("content-type", "application/json"))
    if "content-length" not in names and (data or method in ("POST", "PUT", "PATCH")):
        pairs.append(("content-length", str(len(data))))
    host = _host.current()
    if host is None:
        raise HttpError("denied", "there is no HTTP here: use it in a handler")
    answer = host.http(Request(method, url, tuple(pairs), data, timeout, response_bytes_max))
    merged: dict[str, str] = {}
    for name, value in answer.headers:
        name = name.lower()
        merged[name] = f"{merged[name]}, {value}" if name in merged else value
    return Response(answer.status, merged, answer.body, answer.is_cut)


def check_url(url: str) -> None:
    """Sees that a text is a URL that :func:`request` takes: to refuse a wrong one in ``@plugin.setup`` at once.

    :class:`HttpError` with the code ``invalid`` where it is none.
    """
    problem = _url_problem(url)
    if problem is not None:
        raise HttpError("invalid", f"URL {_shown(url)} {problem}")


def split_url(url: str) -> tuple[str, str, str]:
    """Scheme in lower case, authority, and path with query of a URL that :func:`check_url` let pass."""
    parts = _URL.match(url)
    if parts is None:
        raise HttpError("invalid", f"URL {_shown(url)} must begin with http:// or https://")
    scheme, authority, rest = parts.groups()
    return scheme.lower(), authority, rest if rest.startswith("/") else f"/{rest}"


def _url_problem(url: object) -> str | None:
    if not isinstance(url, str):
        return "is no text"
    strange = _STRANGE.search(url)
    if strange:
        return f"has {ascii(strange.group())}; percent-encode it"
    parts = _URL.match(url)
    if parts is None:
        return "must begin with http:// or https://"
    authority = parts.group(2)
    if not authority or authority.startswith(":"):
        return "has no host"
    if "@" in authority:
        return "has a user name or password; use an `authorization` header"
    return None


def _check_bounds(timeout: float, response_bytes_max: int) -> None:
    for name, value, kinds in (("timeout", timeout, (int, float)), ("response_bytes_max", response_bytes_max, int)):
        if not isinstance(value, kinds) or isinstance(value, bool) or not math.isfinite(value) or value < 0:
            raise HttpError("invalid", f"{name} must be a {'whole ' if kinds is int else ''}number from 0 on, not {_shown(value)}")


def _header(name: str, value: str) -> tuple[str, str]:
    if not isinstance(name, str) or not _TOKEN.match(name):
        raise HttpError("invalid", f"{_shown(name)} is not the name of a header")
    if not isinstance(value, str):
        raise HttpError("invalid", f"header `{name}` has a {type(value).__name__} as its value; text is needed")
    if _CONTROL.search(value):
        raise HttpError("invalid", f"header `{name}` has a control character in its value")
    return name.lower(), clean(value)


def _body(body: str | bytes | bytearray | memoryview, json: Any) -> bytes:
    if json is not _UNSET:
        if not isinstance(body, bytes) or body:
            raise TypeError("request: `body` and `json` are both given; one of them is the body")
        return dump_json(json).encode()
    if isinstance(body, str):
        if not is_utf8(body):
            raise HttpError("invalid", "the body has no UTF-8 form: half a surrogate pair stands in it")
        return body.encode()
    if isinstance(body, (bytes, bytearray, memoryview)):
        return bytes(body)
    raise TypeError(f"request: the body is a {type(body).__name__}; text or bytes are sent as they are, other values with `json=`")


def _shown(value: object) -> str:
    return ascii(str(value)[:_SHOWN_CHARS_MAX])
