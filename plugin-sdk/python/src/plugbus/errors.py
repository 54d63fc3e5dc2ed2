"""What a handler raises, and what the SDK raises in a handler."""

from __future__ import annotations

import math
from datetime import timedelta
from typing import Literal

_AFTER_MS_MAX = 2**63


class Retry(Exception):
    """Raised by a handler: not now, bring the event again later.

    ``reason`` is for people: it goes into logs, ``plugbus.delivery.failed`` and, after the last attempt of the policy (5 by
    default), the dead letter. ``after`` is how long to wait, in seconds or as a ``timedelta``, instead of the policy's own backoff;
    the host bounds it (5 minutes by default). A negative or endless ``after`` is a ``ValueError``.
    """

    def __init__(self, reason: str = "", *, after: float | timedelta | None = None) -> None:
        super().__init__(reason)
        self.reason = str(reason)
        self.after_ms = None if after is None else _milliseconds(after)


class Reject(Exception):
    """Raised by a handler: never. The event becomes a dead letter at once, with this reason."""

    def __init__(self, reason: str = "") -> None:
        super().__init__(reason)
        self.reason = str(reason)


class PublishError(Exception):
    """The host did not take an event. Nothing was staged by this call; what was staged before stays staged.

    A handler may catch it and go on; left alone it rejects the event that is being handled.
    """

    _what = "publish refused"

    def __init__(self, detail: str) -> None:
        super().__init__(f"{self._what}: {detail}")
        #: What the host said.
        self.detail = detail


class Denied(PublishError):
    """The manifest's ``publish`` filters do not cover the topic, or it is the host's own (``plugbus.``), or no event is being
    handled: ``@plugin.setup`` and code at the top of a module may not publish."""

    _what = "publish denied"


class Invalid(PublishError):
    """The topic, content type or an extension is malformed, or the data is over the host's limit for one event (1 MiB by
    default). The text says what and how to mend it."""

    _what = "publish of a malformed event"


class OverLimit(PublishError):
    """Over the number or bytes of publishes for one event (64 and 1 MiB by default)."""

    _what = "publish over the limit"


class DataError(ValueError):
    """Data is not what was asked for: no JSON, or no text. Left alone it rejects the event."""


class StateError(Exception):
    """The store did not do what it was asked to; nothing was changed. The text names the key and the limit.

    Left alone it retries the event: others may have made room by then, and no event is given up in haste.
    """


class HttpError(Exception):
    """Why a request of :mod:`plugbus.http` got no answer; a status such as 500 is an answer. ``code`` is one of

    * ``invalid``: the method, URL or a header is malformed. Nothing was sent.
    * ``denied``: the manifest does not grant this origin, or the component was built without HTTP. The text has the line to add.
    * ``timed-out``: no answer within the time.
    * ``connection``: no connection, or one that broke; and any request over the event's number of them.

    Left alone it retries the event where it :attr:`is_transient`, and else rejects it.
    """

    def __init__(self, code: Literal["invalid", "denied", "timed-out", "connection"], detail: str) -> None:
        super().__init__(f"{code}: {detail}")
        self.code: Literal["invalid", "denied", "timed-out", "connection"] = code
        #: What is wrong, and how to mend it.
        self.detail = detail

    @property
    def is_transient(self) -> bool:
        """Whether the same request may fare better later: ``timed-out`` and ``connection``."""
        return self.code in ("timed-out", "connection")


def _milliseconds(after: float | timedelta) -> int:
    seconds = after.total_seconds() if isinstance(after, timedelta) else float(after)
    if not math.isfinite(seconds) or seconds < 0:
        raise ValueError(f"retry after {after!r}: a finite number of seconds, 0 or more, is needed")
    return min(round(seconds * 1000), _AFTER_MS_MAX)
