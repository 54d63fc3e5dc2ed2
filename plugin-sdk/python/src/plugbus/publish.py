"""Publishing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from . import _host
from .errors import Denied, Invalid
from .event import Payload, is_utf8


def publish(
    topic: str,
    data: Any = None,
    *,
    content_type: str | None = None,
    extensions: Mapping[str, str] | None = None,
) -> str:
    """Stages an event and returns the id that it will have. It leaves when the handler returns, in the order of the calls; a
    handler that raises has published nothing. Never waits.

    ``data``: ``str`` goes as text, ``bytes`` go as bytes, a :class:`Payload` as it is, ``None`` as no data, anything else as JSON
    (``Payload.json`` makes JSON of a ``str`` or ``None`` too). ``content_type`` takes the place of the media type that follows
    from that, so JSON that is text already is ``publish(topic, text, content_type="application/json")``.

    ``topic`` is 1 to 16 tokens with dots between them, at most 255 bytes. Names of ``extensions`` are lower-case ASCII letters and
    digits, at most 20; values are text of at most 4096 bytes. The host sets source (``plugin/<name>``), time and id, and passes
    ``traceparent`` and subject of the handled event on.

    :class:`Denied`, :class:`Invalid` or :class:`OverLimit` where the host does not take it; nothing was staged then.
    """
    payload = Payload("", "") if data is None and content_type is None else Payload.of("" if data is None else data, content_type)
    pairs = [(str(name), str(value)) for name, value in extensions.items()] if extensions else []
    _check_text(topic, payload, pairs)
    host = _host.current()
    if host is None:
        raise Denied(f"`{topic}`: no event is being handled; publish in a handler, not at the top of a module")
    return host.publish(topic, payload, pairs)


def _check_text(topic: str, payload: Payload, extensions: list[tuple[str, str]]) -> None:
    texts = [("topic", topic), ("content type", payload.content_type), *extensions]
    if isinstance(payload.body, str):
        texts.append(("data", payload.body))
    for what, text in texts:
        if not is_utf8(what) or not is_utf8(text):
            raise Invalid(f"{ascii(what)}: half a surrogate pair has no UTF-8 form")
