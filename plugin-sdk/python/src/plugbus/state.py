"""What a plugin remembers beyond its instance: a store of keys and values.

It needs ``kv = true`` under ``[grants]`` in the manifest, and ``store = true`` under ``[tool.plugbus]`` in ``pyproject.toml``.
What a handler writes is committed when it returns, together with what it published, or not at all; so this counts every event once,
whatever is repeated and whoever crashes, at any number of instances::

    seen = state.increment("seen")
    state.set("last", event.id)

The store belongs to the plugin, not to an instance: reloads, faults and (where the host keeps a journal) restarts leave it as it is.
Values are JSON, unless the ``bytes`` functions are used. The functions of this module use the bucket ``default``; other
:class:`Bucket` objects keep other keys. In ``@plugin.setup`` nothing can be read or written.

Bounds, of the manifest's ``[limits]``: 256 bytes for a key, 64 KiB for a value, 16 MiB in all. What is over raises
:class:`plugbus.StateError`, which, left alone, retries the event.
"""

from __future__ import annotations

from typing import Any

from . import _host
from .event import dump_json, is_utf8, parse_json
from .errors import StateError

_NUMBER_MAX = 2**63


class Bucket:
    """Keys and values under a name of at most 64 bytes; the empty name stands for ``default``."""

    def __init__(self, name: str = "") -> None:
        if not is_utf8(name) or len(name.encode()) > 64:
            raise StateError(f"there is no bucket {ascii(name)}: a name has at most 64 bytes of text")
        self.name = name or "default"

    def get(self, key: str, default: Any = None) -> Any:
        """The value of a key, ``default`` where it has none. :class:`plugbus.DataError` where it is no JSON."""
        value = self.get_bytes(key)
        return default if value is None else parse_json(value.decode("utf-8", "replace"), f"value of key {ascii(key)}")

    def set(self, key: str, value: Any) -> None:
        """Gives a key a value, as JSON."""
        self.set_bytes(key, dump_json(value).encode())

    def get_bytes(self, key: str) -> bytes | None:
        """The value of a key as it is kept."""
        return _host.store().get(self.name, _checked(key))

    def set_bytes(self, key: str, value: bytes) -> None:
        """Gives a key a value that is kept as it is."""
        _host.store().set(self.name, _checked(key), bytes(value))

    def delete(self, key: str) -> None:
        """Deletes a key, there or not."""
        _host.store().delete(self.name, _checked(key))

    def keys(self) -> list[str]:
        """Every key, in order."""
        return _host.store().keys(self.name)

    def increment(self, key: str, delta: int = 1) -> int:
        """Adds to a whole number and returns the sum; a key that is not there counts as zero.

        :class:`plugbus.StateError` where the value is no whole number or the sum has more than 63 bits.
        """
        before = self.get(key, 0)
        if not isinstance(before, int) or isinstance(before, bool):
            raise StateError(f"value of key {ascii(key)} is no whole number")
        after = before + delta
        if abs(after) >= _NUMBER_MAX:
            raise StateError(f"value of key {ascii(key)} would have more than 63 bits")
        self.set(key, after)
        return after


def _checked(key: str) -> str:
    if not is_utf8(key):
        raise StateError(f"key {ascii(key)}: half a surrogate pair has no UTF-8 form")
    return key


_default = Bucket()
get = _default.get
set = _default.set
get_bytes = _default.get_bytes
set_bytes = _default.set_bytes
delete = _default.delete
keys = _default.keys
increment = _default.increment
