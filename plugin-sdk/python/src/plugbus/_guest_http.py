"""HTTP in a component: ``wasi:http/outgoing-handler``, with every wait bounded by one deadline. Imported by ``_guest`` where the
world has HTTP."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any, TypeVar

from componentize_py_types import Err, Ok
from wit_world.imports import monotonic_clock as clock
from wit_world.imports import outgoing_handler, poll, streams
from wit_world.imports import wasi_http_types as types

from ._host import Answer
from .errors import HttpError
from .http import Request, split_url

_METHODS = {
    "GET": types.Method_Get,
    "HEAD": types.Method_Head,
    "POST": types.Method_Post,
    "PUT": types.Method_Put,
    "DELETE": types.Method_Delete,
    "CONNECT": types.Method_Connect,
    "OPTIONS": types.Method_Options,
    "TRACE": types.Method_Trace,
    "PATCH": types.Method_Patch,
}
#: Codes that say that the plugin may not, that the request is wrong, or that the time was up. Any other is the connection's.
_DENIED = (types.ErrorCode_HttpRequestDenied, types.ErrorCode_DestinationIpProhibited)
_INVALID = (
    types.ErrorCode_HttpRequestMethodInvalid,
    types.ErrorCode_HttpRequestUriInvalid,
    types.ErrorCode_HttpRequestUriTooLong,
    types.ErrorCode_HttpRequestBodySize,
    types.ErrorCode_HttpRequestHeaderSectionSize,
    types.ErrorCode_HttpRequestHeaderSize,
)
_TIMED_OUT = (types.ErrorCode_ConnectionTimeout, types.ErrorCode_ConnectionReadTimeout, types.ErrorCode_HttpResponseTimeout)
_NS = 10**9
_NS_MAX = 2**64 - 1
#: Most bytes that are asked for at a time: the runtime makes room for all of them.
_READ_BYTES_MAX = 64 * 1024

T = TypeVar("T")


def send(request: Request) -> Answer:
    """Sends a request; :class:`HttpError` where there is no answer. However it ends, the host has its resources back."""
    exchange = _Exchange(request)
    try:
        return exchange.run()
    finally:
        exchange.release()


class _Exchange:
    """One request and its answer, with the host's resources that it holds. They go in the reverse order: children before parents."""

    def __init__(self, request: Request) -> None:
        self._request = request
        self._held: list[Any] = []
        self._timer = self._hold(clock.subscribe_duration(min(math.ceil(request.timeout * _NS), _NS_MAX)))

    def run(self) -> Answer:
        out = self._hold(self._outgoing())
        body = self._hold(self._call(out.body))
        # No options: the timer bounds every wait, and what is dropped the host gives up.
        answer = self._hold(self._call(lambda: outgoing_handler.handle(self._give(out), None)))
        # After `handle`: a host may read the body only once it has a connection. Where it does not take all, the answer says why.
        try:
            self._write(body)
        except HttpError as error:
            if error.code == "timed-out":
                raise
        self._wait(answer)
        got = answer.get()  # whether it is there, whether it was not taken before, whether it is one
        if got is None or not isinstance(got, Ok):
            raise _broken("the answer is not there")
        if not isinstance(got.value, Ok):
            raise self._error(got.value.value)
        return self._read(self._hold(got.value.value))

    def release(self) -> None:
        while self._held:
            _drop(self._held.pop())

    def _outgoing(self) -> types.OutgoingRequest:
        request = self._request
        fields = self._hold(types.Fields())
        for name, value in request.headers:
            _attempt(lambda: fields.append(name, value.encode()), f"the host refuses the header `{name}`")
        scheme, authority, path = split_url(request.url)
        known = _METHODS.get(request.method)
        method = types.Method_Other(request.method) if known is None else known()
        out = types.OutgoingRequest(self._give(fields))
        try:
            _attempt(lambda: out.set_method(method), f"the host refuses the method `{request.method}`")
            _attempt(lambda: out.set_scheme(types.Scheme_Https() if scheme == "https" else types.Scheme_Http()), "the host refuses the scheme")
            _attempt(lambda: out.set_authority(authority), f"the host refuses the authority `{authority}`")
            _attempt(lambda: out.set_path_with_query(path), "the host refuses the path")
        except HttpError:
            _drop(out)
            raise
        return out

    def _write(self, body: types.OutgoingBody) -> None:
        data = self._request.body
        stream = self._hold(self._call(body.write))
        at = 0
        while at < len(data):
            self._wait(stream)
            room = min(self._call(stream.check_write), len(data) - at)
            self._call(lambda: stream.write(data[at : at + room]))
            at += room
        self._call(stream.flush)
        self._wait(stream)
        _drop(self._give(stream))
        self._call(lambda: types.OutgoingBody.finish(self._give(body), None))

    def _read(self, response: types.IncomingResponse) -> Answer:
        fields = self._hold(response.headers())
        headers = [(name, value.decode("utf-8", "replace")) for name, value in fields.entries()]
        _drop(self._give(fields))
        body = bytearray()
        is_whole = self._read_body(response, body)
        return Answer(response.status(), headers, bytes(body), not is_whole)

    def _read_body(self, response: types.IncomingResponse, into: bytearray) -> bool:
        """Reads as much as is wanted; whether that is all. One byte more is asked for, to know whether there is more."""
        wanted = self._request.response_bytes_max
        try:
            incoming = self._hold(response.consume())
            stream = self._hold(incoming.stream())
            while len(into) <= wanted:
                self._wait(stream)
                into += stream.read(min(wanted - len(into) + 1, _READ_BYTES_MAX))
        except HttpError:  # the time is up
            return False
        except Err as error:
            if isinstance(error.value, streams.StreamError_LastOperationFailed):
                self._hold(error.value.value)
            return isinstance(error.value, streams.StreamError_Closed)
        del into[wanted:]
        return False

    def _wait(self, what: Any) -> None:
        pollable = what.subscribe()
        try:  # the first counts even when the time is up as well
            is_ready = 0 in poll.poll([pollable, self._timer])
        finally:
            _drop(pollable)
        if not is_ready:
            raise self._timed_out()

    def _call(self, run: Callable[[], T]) -> T:
        try:
            return run()
        except Err as error:
            raise self._said(error.value) from None

    def _said(self, value: Any) -> HttpError:
        """What an error of a stream, a code or no more than a refusal means."""
        if isinstance(value, streams.StreamError_LastOperationFailed):
            failed = self._hold(value.value)
            code = types.http_error_code(failed)
            # A host may put a whole report there; its first line is for people.
            return _broken(failed.to_debug_string().partition("\n")[0]) if code is None else self._error(code)
        if isinstance(value, streams.StreamError_Closed):
            return _broken("the connection was closed early")
        return _broken("the host refuses the request") if value is None else self._error(value)

    def _error(self, code: Any) -> HttpError:
        name = _name(code)
        if isinstance(code, _DENIED):
            scheme, authority, _ = split_url(self._request.url)
            # There are other reasons, a placeholder of a secret say; the host does not tell the plugin which it was.
            grant = f'[grants] http = ["{scheme}://{authority}"]'
            return HttpError("denied", f"{name}: the plugin's log says why; the manifest must have {grant}")
        if isinstance(code, _TIMED_OUT):
            return self._timed_out()
        value = getattr(code, "value", None)
        detail = value if isinstance(value, str) else name
        return HttpError("invalid", detail) if isinstance(code, _INVALID) else _broken(detail)

    def _timed_out(self) -> HttpError:
        return HttpError("timed-out", f"no answer within {self._request.timeout:g} s")

    def _hold(self, resource: T) -> T:
        self._held.append(resource)
        return resource

    def _give(self, resource: T) -> T:
        """Hands a resource over: it is no longer ours to drop."""
        self._held = [held for held in self._held if held is not resource]
        return resource


def _name(code: Any) -> str:
    """``connection-refused`` of ``ErrorCode_ConnectionRefused``."""
    return re.sub(r"(?<!^)(?=[A-Z])", "-", type(code).__name__.removeprefix("ErrorCode_")).lower()


def _drop(resource: Any) -> None:
    resource.__exit__(None, None, None)


def _broken(detail: str) -> HttpError:
    return HttpError("connection", detail)


def _attempt(run: Callable[[], Any], problem: str) -> None:
    try:
        run()
    except Err:
        raise HttpError("invalid", problem) from None
