"""Runs a plugin natively, without WebAssembly, and shows what it did; with pytest, unittest or nothing::

    from plugbus import Reject
    from plugbus.testing import Host, event

    import plugin

    def test_it_greets():
        host = Host(plugin.plugin, config={"greeting": "Welcome"})
        reply = host.send(event("chat.joined", {"name": "Ada"}))
        assert reply.text == "greeted"
        assert host.published[0].json == {"text": "Welcome, Ada!"}

    def test_it_rejects_what_has_no_name():
        host = Host.from_manifest(plugin.plugin, "greet.toml")
        with pytest.raises(Reject, match="KeyError: 'name'"):
            host.send(event("chat.joined", {}))

``Host(plugin, http=server)`` plays the servers that :mod:`plugbus.http` speaks to: a function from a request to what
:func:`answer` makes; ``host.requests`` has what was sent, and ``origins=[…]`` is the grant.

:func:`load_event` reads a sample event from a file, as ``plugbus check --event FILE`` does.

The rules are the host's: what a handler that fails has published and stored is thrown away, topics and extensions are checked,
publishes, requests, keys and values are bounded. Three things are easier than on a real host: every topic but ``plugbus.…`` may
be published and every origin reached until ``publish=[…]``, ``origins=[…]`` or a manifest says otherwise, and fuel, time and memory
are not bounded.
"""

from .event import event, load_event
from .host import Host, LogLine, Published
from .http import answer

__all__ = ["Host", "LogLine", "Published", "answer", "event", "load_event"]
