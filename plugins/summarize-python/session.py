"""What is known of a session, as a plain value; no plugbus in here."""

from __future__ import annotations

import json
import posixpath
from datetime import datetime
from typing import Any

#: Bounds in bytes of JSON, so that a session stays under the 64 KiB of a value in the store.
PATHS_BYTES_MAX = 32_000
PATH_BYTES_MAX = 2048
NAME_BYTES_MAX = 100
#: Tools that are counted by name; further ones, and those with longer names, are counted as `other`.
TOOLS_MAX = 100

_WRITING = ("Write", "Edit", "MultiEdit", "NotebookEdit")


def begun(session: str, seen: dict[str, Any]) -> dict[str, Any]:
    """A session of which this is the first that is seen."""
    return {
        "session": session,
        "cwd": _text(seen.get("cwd")),
        "model": None,
        "started": _text(seen.get("timestamp")),
        "last": _text(seen.get("timestamp")),
        "prompts": 0,
        "tools": {},
        "files": {"read": [], "written": [], "more": 0},
    }


def add(session: dict[str, Any], seen: dict[str, Any], files_max: int) -> None:
    """Takes one normalized hook into account."""
    data = seen.get("data")
    data = data if isinstance(data, dict) else {}
    session["last"] = _text(seen.get("timestamp")) or session["last"]
    kind = seen.get("type")
    if kind == "session-start":
        session["model"] = _text(data.get("model"))
    elif kind == "user-prompt-submit":
        session["prompts"] += 1
    elif kind in ("post-tool-use", "post-tool-use-failure"):
        _add_tool(session, seen, data, failed=kind.endswith("failure"))
        if kind == "post-tool-use":
            _add_file(session, data, files_max)


def summary(session: dict[str, Any], end_reason: str | None) -> dict[str, Any]:
    """What is published."""
    seconds = _seconds(session["started"], session["last"])
    made = {
        "session": session["session"],
        "cwd": session["cwd"],
        "model": session["model"],
        "started": session["started"],
        "ended": session["last"],
        "seconds": seconds,
        "end_reason": end_reason,
        "prompts": session["prompts"],
        "tools": dict(sorted(session["tools"].items(), key=lambda item: (-item[1]["calls"], item[0]))),
        "files": session["files"],
    }
    return {**made, "text": _sentence(made)}


def _add_tool(session: dict[str, Any], seen: dict[str, Any], data: dict[str, Any], failed: bool) -> None:
    name = _text(data.get("tool_name")) or _text(seen.get("subtype")) or "unknown"
    tools = session["tools"]
    if name not in tools and (len(tools) >= TOOLS_MAX or _size(name) > NAME_BYTES_MAX):
        name = "other"
    tool = tools.setdefault(name, {"calls": 0, "failures": 0, "ms": 0})
    tool["calls"] += 1
    tool["failures"] += failed
    took = data.get("duration_ms")
    if isinstance(took, (int, float)) and not isinstance(took, bool) and 0 <= took < 1e12:
        tool["ms"] += round(took)


def _add_file(session: dict[str, Any], data: dict[str, Any], files_max: int) -> None:
    asked = data.get("tool_input")
    asked = asked if isinstance(asked, dict) else {}
    path = asked.get("file_path") or asked.get("notebook_path")
    if not isinstance(path, str):
        return
    files = session["files"]
    path = _relative(path, session["cwd"])
    kind = "written" if data.get("tool_name") in _WRITING else "read"
    if path in files[kind]:
        return
    named = files["read"] + files["written"]
    full = len(named) >= files_max or sum(map(_size, named)) + _size(path) > PATHS_BYTES_MAX
    if full or _size(path) > PATH_BYTES_MAX:
        files["more"] += 1
    else:
        files[kind].append(path)


def _relative(path: str, folder: str | None) -> str:
    return path[len(folder) :].lstrip("/") if folder and path.startswith(folder.rstrip("/") + "/") else path


def _seconds(started: str | None, ended: str | None) -> float | None:
    try:
        return round((datetime.fromisoformat(ended or "") - datetime.fromisoformat(started or "")).total_seconds(), 3)
    except (TypeError, ValueError):  # a publisher's time that is none
        return None


def _sentence(made: dict[str, Any]) -> str:
    where = posixpath.basename((made["cwd"] or "").rstrip("/")) or "a session"
    calls = sum(tool["calls"] for tool in made["tools"].values())
    most = ", ".join(f"{name} {tool['calls']}" for name, tool in list(made["tools"].items())[:3])
    parts = [f"{made['prompts']} prompts", f"{calls} tool calls" + (f" ({most})" if most else "")]
    failures = sum(tool["failures"] for tool in made["tools"].values())
    if failures:
        parts.append(f"{failures} failed")
    parts.append(f"{len(made['files']['written'])} files written, {len(made['files']['read'])} read")
    return f"{where}, {_span(made['seconds'])}: {', '.join(parts)}."


def _span(seconds: float | None) -> str:
    if seconds is None:
        return "for some time"
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def _text(value: Any) -> str | None:
    """Text that is worth keeping; a path or a name that is longer than any real one is none."""
    return value if isinstance(value, str) and value and _size(value) <= PATH_BYTES_MAX else None


def _size(text: str) -> int:
    """Bytes of a text as JSON."""
    return len(json.dumps(text, ensure_ascii=False).encode("utf-8", "replace"))
