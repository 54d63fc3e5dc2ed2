"""Write a plugbus plugin in Python, and test it without WebAssembly.

A plugin is a module with a :class:`Plugin` named ``plugin`` and one function for each kind of event::

    from plugbus import Plugin, Reject, Retry, log, publish

    plugin = Plugin()

    @plugin.on("chat.joined")
    def greet(event):
        name = event.json["name"]
        publish("chat.said", {"text": f"{plugin.config['greeting']}, {name}!"})
        return "greeted"

``python build.py DIR -o NAME.wasm`` (in this SDK's folder) makes the component; ``NAME.wasm`` and its manifest ``NAME.toml`` go
into the host's plugins folder. :mod:`plugbus.testing` runs the same module natively, under pytest or unittest.

**A handler** gets one :class:`Event` and says by how it ends what becomes of it:

* It returns. The event is acked; what it published leaves now, and what it wrote into the store counts now, together with the ack
  or not at all. ``None`` answers nothing; a ``str`` (text), ``bytes``, a :class:`Payload` or anything that has a JSON form answers
  a publisher that waits for a reply.
* It raises :class:`Retry`: not now. The event comes again, after ``after`` seconds or the policy's own backoff (100 ms, doubling),
  5 times in all by default; then it is a dead letter. What was published and stored is thrown away. Later events wait meanwhile.
* It raises :class:`Reject`: never. The event becomes a dead letter at once, with that reason.
* It raises anything else: as :class:`Reject`, with the exception's type and text as the reason and the traceback in the plugin's
  log, because most bugs come again with the event. ``@plugin.on(…, retry_on=(TimeoutError,))`` names exceptions that become a
  retry instead. Data that is no JSON rejects the event by itself, and so does a publish that the host refuses.
* It does not end: the host cuts it off when its fuel (500 million), its time (5 s) or its memory (128 MiB) is used up, and tries
  again on a new instance. ``MemoryError``, ``SystemExit`` and ``KeyboardInterrupt`` are such faults too.

**Delivery** is at least once: an event may come again, after a failure or a crash, under the same ``source`` and ``id`` and with a
higher ``attempt``. With one instance, the default, events come one at a time in the order of their acceptance.

**State** in the module's variables lives from event to event until the instance is replaced: on a reload, after a fault, and
when its memory has grown over three quarters of its limit, which binary payloads and the store bring about in time: the runtime
leaks bytes that are passed to the host. What must last goes into :mod:`plugbus.state`.

**HTTP** is :mod:`plugbus.http`, to origins that the manifest grants.

**The module is imported when the component is built**, and the interpreter is frozen in that state: what stands at the top of the
module costs nothing later, but sees the clock, the environment and the random numbers of the build. Code that must run in the
host goes into a function marked ``@plugin.setup``, which gets the configuration and may refuse it by raising.

**A plugin may do only what its manifest grants**: without ``publish = ["chat.>"]`` every publish is :class:`Denied`. Standard
output and error go to the plugin's log, sockets are refused, files and environment are empty unless granted. There are no
threads and no processes. ``async def`` handlers are refused: the contract is synchronous.
"""

from . import log, state, topic
from .errors import DataError, Denied, HttpError, Invalid, OverLimit, PublishError, Reject, Retry, StateError
from .event import Event, Payload
from .plugin import Plugin
from .publish import publish

__all__ = [
    "DataError",
    "Denied",
    "Event",
    "HttpError",
    "Invalid",
    "OverLimit",
    "Payload",
    "Plugin",
    "PublishError",
    "Reject",
    "Retry",
    "StateError",
    "log",
    "publish",
    "state",
    "topic",
]
