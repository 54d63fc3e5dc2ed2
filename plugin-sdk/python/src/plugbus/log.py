"""The plugin's log: ``log.info("text")``, or Python's own ``logging``, whose records come here too.

Lines, standard output and standard error share one budget for each event, 16 KiB by default; what is over is cut and counted.
Logging never waits and never fails.
"""

from __future__ import annotations

import logging
import sys

from . import _host
from .event import clean


def log(level: str, message: object, *, context: str = "") -> None:
    """Writes a line. ``level`` is ``trace``, ``debug``, ``info``, ``warn``, ``error`` or ``critical``; ``context`` names the part
    of the program it comes from. A ``ValueError`` for any other level."""
    if level not in _host.LEVELS:
        raise ValueError(f"log level {level!r}: one of {', '.join(_host.LEVELS)} is needed")
    host = _host.current()
    if host is None:
        print(f"{level}: {clean(message)}", file=sys.stderr)
    else:
        host.log(level, clean(context), clean(message))


def trace(message: object, *, context: str = "") -> None:
    """Writes a line about the steps of the program."""
    log("trace", message, context=context)


def debug(message: object, *, context: str = "") -> None:
    """Writes a line for somebody who debugs."""
    log("debug", message, context=context)


def info(message: object, *, context: str = "") -> None:
    """Writes a line for somebody who watches."""
    log("info", message, context=context)


def warn(message: object, *, context: str = "") -> None:
    """Writes a line about something doubtful."""
    log("warn", message, context=context)


def error(message: object, *, context: str = "") -> None:
    """Writes a line about an error."""
    log("error", message, context=context)


def critical(message: object, *, context: str = "") -> None:
    """Writes a line about a fatal error."""
    log("critical", message, context=context)


class LoggingHandler(logging.Handler):
    """Carries the records of ``logging`` into the plugin's log, the logger's name as context."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            log(_level(record.levelno), self.format(record), context=record.name)
        except Exception:
            self.handleError(record)


def _level(number: int) -> str:
    for bound, level in ((logging.CRITICAL, "critical"), (logging.ERROR, "error"), (logging.WARNING, "warn")):
        if number >= bound:
            return level
    return "info" if number >= logging.INFO else "debug" if number >= logging.DEBUG else "trace"
