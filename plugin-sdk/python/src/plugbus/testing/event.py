"""Events for tests."""

from __future__ import annotations

import base64
import json
from datetime import datetime
from pathlib import Path
from typing import Any

from ..event import Event, Payload, dump_json

_ATTRIBUTES = ("specversion", "id", "source", "type", "subject", "time", "datacontenttype", "data", "data_base64")


def event(
    topic: str,
    data: Any = None,
    *,
    content_type: str | None = None,
    id: str = "event-1",
    source: str = "test",
    subject: str | None = None,
    time_ns: int = 1_700_000_000_000_000_000,
    extensions: dict[str, str] | None = None,
    attempt: int = 1,
) -> Event:
    """An event as the host would hand it over. ``data`` as for :func:`plugbus.publish`; ``None`` is no data."""
    payload = Payload("", "") if data is None else Payload.of(data, content_type)
    extensions = dict(sorted((extensions or {}).items()))
    return Event(topic, _as_the_host_has_it(payload), id, source, subject, time_ns, extensions, attempt)


def load_event(path: str | Path) -> Event:
    """An event from a file that holds one event in the JSON format of CloudEvents 1.0. ``ValueError`` where it does not."""
    content = json.loads(Path(path).read_text())
    if not isinstance(content, dict):
        raise ValueError(f"{path}: no JSON object")
    missing = [name for name in ("type", "source", "id") if not isinstance(content.get(name), str)]
    if missing:
        raise ValueError(f"{path}: `{missing[0]}` is missing or no text")
    media = content.get("datacontenttype", "application/json")
    if "data_base64" in content:
        payload = Payload(media, base64.b64decode(content["data_base64"], validate=True))
    elif "data" not in content:
        payload = Payload("", "")
    elif isinstance(content["data"], str) and not _is_json(media):
        payload = Payload(media, content["data"])
    else:
        payload = Payload(media, dump_json(content["data"]))
    time_ns = 0
    if "time" in content:
        time_ns = round(datetime.fromisoformat(content["time"]).timestamp() * 1e6) * 1000
    extensions = {name: str(value) for name, value in sorted(content.items()) if name not in _ATTRIBUTES}
    return Event(
        content["type"],
        _as_the_host_has_it(payload),
        content["id"],
        content["source"],
        content.get("subject"),
        time_ns,
        extensions,
    )


def _is_json(media: str) -> bool:
    media = media.split(";")[0].strip().lower()
    return media == "application/json" or media.endswith("+json")


def _as_the_host_has_it(payload: Payload) -> Payload:
    """Text whenever the data is valid UTF-8."""
    if isinstance(payload.body, bytes):
        try:
            return Payload(payload.content_type, payload.body.decode())
        except UnicodeDecodeError:
            pass
    return payload
