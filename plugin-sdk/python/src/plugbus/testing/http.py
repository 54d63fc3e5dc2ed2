"""HTTP for tests: the test's own server answers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Union

from .._host import Answer
from ..errors import HttpError
from ..event import Payload
from ..http import Request, Response, check_url, split_url

#: What answers the requests of a plugin: a :class:`plugbus.http.Response`, as :func:`answer` makes one; ``None`` is a bare 200.
#: It may raise a :class:`plugbus.http.HttpError`.
Server = Callable[[Request], Union[Response, None]]

_PORTS = {"http": 80, "https": 443}


def answer(status: int = 200, data: Any = None, *, headers: dict[str, str] | None = None) -> Response:
    """A response for the server of a test. ``data`` as for :func:`plugbus.publish`, with its content type; ``None`` is no body."""
    own = {name.lower(): value for name, value in (headers or {}).items()}
    if data is None:
        return Response(status, own)
    payload = Payload.of(data)
    return Response(status, {"content-type": payload.content_type, **own}, payload.data)


class Requests:
    """The requests of one testing host, admitted as the real one admits them."""

    def __init__(self, server: Server | None, origins: Sequence[str] | None, requests_max: int) -> None:
        self._server = server
        self._origins = None if origins is None else [_origin(text) for text in origins]
        self._requests_max = requests_max
        self._count = 0
        #: Those that were let through, oldest first.
        self.sent: list[Request] = []

    def begin(self) -> None:
        """A call begins, with requests of its own."""
        self._count = 0

    def send(self, request: Request) -> Answer:
        self._count += 1
        if self._count > self._requests_max:
            raise HttpError("connection", f"connection-limit-reached: over {self._requests_max} requests in one call")
        scheme, authority, _ = split_url(request.url)
        if request.method == "CONNECT":
            raise HttpError("denied", "http-request-denied: CONNECT would lead past the granted origin")
        if self._origins is not None and _origin(f"{scheme}://{authority}") not in self._origins:
            grant = f'[grants] http = ["{scheme}://{authority}"]'
            raise HttpError("denied", f"http-request-denied: the manifest must have {grant}")
        if self._server is None:
            raise HttpError("denied", "the test has no server: give the host one, http=lambda request: answer(200)")
        self.sent.append(request)
        said = self._server(request)
        if said is None:
            said = answer()
        if not isinstance(said, Response):
            raise TypeError(f"the server of the test answered with a {type(said).__name__}; `plugbus.testing.answer` makes an answer")
        bytes_max = request.response_bytes_max
        is_cut = said.is_cut or len(said.body) > bytes_max
        return Answer(said.status, list(said.headers.items()), said.body[:bytes_max], is_cut)


def _origin(text: str) -> tuple[str, str, int]:
    """Scheme, host and port: two are equal where requests to them go to the same place. ``ValueError`` where it is none."""
    try:
        check_url(text)
        scheme, authority, path = split_url(text)
        host, colon, port = authority.rpartition(":") if not authority.endswith("]") else (authority, "", "")
        number = int(port) if colon else _PORTS[scheme]
    except (HttpError, ValueError):
        raise ValueError(f"{text!r} is no origin, such as https://api.example.com") from None
    if path != "/" or text.endswith("/"):
        raise ValueError(f"{text!r} is no origin: it has a path; write {scheme}://{authority}")
    return scheme, (host if colon else authority).lower().removesuffix("."), number
