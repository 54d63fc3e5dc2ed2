"""The rules of topics and filters.

A topic is 1 to 16 tokens with dots between them, at most 255 bytes; a token is any text without white space, control characters,
``.``, ``*`` and ``>``. In a filter ``*`` stands for exactly one token and a final ``>`` for one or more.
"""

from __future__ import annotations

import unicodedata

BYTES_MAX = 255
TOKENS_MAX = 16


def matches(filter: str, topic: str) -> bool:
    """Whether a filter matches a topic. One that begins with a wildcard does not match the host's own ``plugbus.`` topics."""
    wanted = filter.split(".")
    found = topic.split(".")
    if found[0] == "plugbus" and wanted[0] in ("*", ">"):
        return False
    for position, token in enumerate(wanted):
        if token == ">" and position < len(found):
            return True
        if position >= len(found) or token not in ("*", found[position]):
            return False
    return len(wanted) == len(found)


def check(topic: str) -> str | None:
    """What is wrong with a topic, or ``None``."""
    return _check(topic, is_filter=False)


def check_filter(filter: str) -> str | None:
    """What is wrong with a filter, or ``None``."""
    return _check(filter, is_filter=True)


def _check(text: str, is_filter: bool) -> str | None:
    length = len(text.encode("utf-8", "surrogatepass"))
    if not 1 <= length <= BYTES_MAX:
        return f"has {length} bytes; 1 to {BYTES_MAX} are allowed"
    tokens = text.split(".")
    if len(tokens) > TOKENS_MAX:
        return f"has {len(tokens)} tokens; at most {TOKENS_MAX} are allowed"
    for position, token in enumerate(tokens, 1):
        if not token:
            return f"has an empty token at position {position}"
        if is_filter and (token == "*" or (token == ">" and position == len(tokens))):
            continue
        for character in token:
            if character in "*>" or character.isspace() or unicodedata.category(character) in ("Cc", "Cs"):
                return f"has {character!r} in token {position}, where it is not allowed"
    return None
