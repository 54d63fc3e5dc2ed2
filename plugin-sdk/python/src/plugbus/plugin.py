"""The plugin: its handlers, and what becomes of what they raise."""

from __future__ import annotations

import inspect
import traceback
from collections.abc import Callable
from typing import Any, TypeVar

from . import log
from .errors import DataError, HttpError, Reject, Retry, StateError
from .event import Event, Payload, clean, is_utf8, parse_json
from .topic import check_filter, matches

FILTERS_MAX = 64

HandlerFunction = TypeVar("HandlerFunction", bound=Callable[[Event], Any])
SetupFunction = TypeVar("SetupFunction", bound=Callable[[dict[str, Any]], Any])


class Plugin:
    """A plugin's handlers and configuration. A module has one, in a variable named ``plugin``."""

    def __init__(self) -> None:
        #: The manifest's ``[config]`` table; empty until the host has made the instance. Dates and times of TOML are text.
        self.config: dict[str, Any] = {}
        self._declared: list[_Handler] = []
        self._handlers: list[_Handler] = self._declared
        self._setup: Callable[[dict[str, Any]], Any] | None = None

    def on(
        self, *filters: str, retry_on: type[Exception] | tuple[type[Exception], ...] = ()
    ) -> Callable[[HandlerFunction], HandlerFunction]:
        """Marks a function as the handler of events whose topics one of the filters matches.

        An event goes to the first handler, in the order of the module, that matches; each gets it as its only argument and
        answers with its return value, see the package. ``*`` stands for exactly one token, ``>`` as the last one for one or more.
        Without filters it takes what no other handler matches; what it gets then depends on the ``filters`` of the manifest, which
        always take the place of the ones here. May also be called in ``@plugin.setup``, with filters from the configuration.

        ``retry_on``: exceptions that bring the event again later instead of rejecting it.

        A ``ValueError`` where a text is no filter, a ``TypeError`` for an ``async def``.
        """
        for filter in filters:
            wrong = check_filter(filter)
            if wrong:
                raise ValueError(f"filter {filter!r} {wrong}")

        def register(function: HandlerFunction) -> HandlerFunction:
            if inspect.iscoroutinefunction(function):
                raise TypeError(f"handler `{function.__name__}` is async, and the contract is synchronous: use `def`")
            self._handlers.append(_Handler(function, filters, retry_on))
            return function

        return register

    def setup(self, function: SetupFunction) -> SetupFunction:
        """Marks the function that is called once for each instance, before its first event, with the configuration.

        It checks the configuration and prepares what handlers need. What it raises refuses the plugin, and its text is what the
        operator sees; the last good version goes on running, if there is one. It may log; it may not publish or use the store.
        """
        self._setup = function
        return function

    def start(self, config: str) -> list[str]:
        """What the host's ``init`` calls: takes the configuration as JSON and returns the filters.

        :class:`Reject` with the text for the operator where the plugin refuses.
        """
        self._handlers = list(self._declared)
        try:
            self.config = parse_json(config, "the configuration")
            if self._setup is not None:
                self._setup(self.config)
        except (Reject, Retry) as said:
            raise Reject(clean(said.reason)) from said
        except MemoryError:
            raise
        except Exception as error:
            log.error(_traceback(error), context="plugbus.setup")
            raise Reject(_config_reason(error)) from error
        filters = list(dict.fromkeys(filter for handler in self._handlers for filter in handler.filters))
        if len(filters) > FILTERS_MAX:
            raise Reject(f"{len(filters)} filters; at most {FILTERS_MAX} are allowed")
        return filters

    def handle(self, event: Event) -> Payload | None:
        """What the host's ``handle`` calls: gives an event to its handler and returns the reply.

        :class:`Retry` or :class:`Reject` where it failed, whatever it raised.
        """
        handler = self._handler_of(event.topic)
        if handler is None:
            raise Reject(f"no handler for topic `{clean(event.topic)}`: the manifest's `filters` bring it, and no `@plugin.on` matches")
        try:
            answer = handler.function(event)
            return None if answer is None else _reply(answer)
        except (Retry, Reject, MemoryError):
            raise
        except Exception as error:
            raise _failure(error, handler) from error

    def _handler_of(self, topic: str) -> _Handler | None:
        fallback = None
        for handler in self._handlers:
            if any(matches(filter, topic) for filter in handler.filters):
                return handler
            if not handler.filters and fallback is None:
                fallback = handler
        return fallback


class _Handler:
    __slots__ = ("filters", "function", "retry_on")

    def __init__(
        self,
        function: Callable[[Event], Any],
        filters: tuple[str, ...],
        retry_on: type[Exception] | tuple[type[Exception], ...],
    ) -> None:
        self.function = function
        self.filters = filters
        self.retry_on = retry_on


def _reply(answer: Any) -> Payload:
    payload = Payload.of(answer)
    texts = (payload.content_type, payload.body)
    if not all(is_utf8(text) for text in texts if isinstance(text, str)):
        raise DataError("the reply has no UTF-8 form: half a surrogate pair stands in it")
    return payload


def _failure(error: Exception, handler: _Handler) -> Retry | Reject:
    """What an exception that is no verdict becomes."""
    is_transient = isinstance(error, StateError) or (isinstance(error, HttpError) and error.is_transient)
    if is_transient or isinstance(error, handler.retry_on):
        return Retry(_one_line(error))
    if isinstance(error, DataError):  # the data's fault: the text says all, and a traceback would only hide it
        return Reject(clean(error))
    log.error(_traceback(error), context="plugbus.handler")
    return Reject(_one_line(error))


def _one_line(error: Exception) -> str:
    """``ValueError: boom``, as the last line of a traceback has it."""
    text = clean(error)
    name = type(error).__name__
    return f"{name}: {text}" if text else name


def _config_reason(error: Exception) -> str:
    """A missing key is what goes wrong most, and `'url'` alone says little."""
    if isinstance(error, KeyError) and len(error.args) == 1:
        return f"config: missing key `{clean(error.args[0])}`"
    return f"config: {clean(error) or type(error).__name__}"


def _traceback(error: Exception) -> str:
    return clean("".join(traceback.format_exception(error)).rstrip())
