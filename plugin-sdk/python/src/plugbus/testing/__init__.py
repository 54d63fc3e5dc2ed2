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

:func:`load_event` reads a sample event from a file, as ``plugbus check --event FILE`` does.

The rules are the host's: what a handler that fails has published and stored is thrown away, topics and extensions are checked,
publishes, keys and values are bounded. Two things are easier than on a real host: every topic but ``plugbus.…`` may be published
until ``publish=[…]`` or a manifest says otherwise, and fuel, time and memory are not bounded.
"""

from .event import event, load_event
from .host import Host, LogLine, Published
from .http import answer

__all__ = ["Host", "LogLine", "Published", "answer", "event", "load_event"]
