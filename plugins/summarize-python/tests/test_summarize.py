import unittest
from pathlib import Path

from plugbus import Reject
from plugbus.testing import Host, event

import session
import summarize

MANIFEST = Path(__file__).parent.parent / "summarize-python.toml"


def hook(kind, session="s1", subtype=None, time="2026-01-02T10:00:00Z", **data):
    topic = f"hook.{kind}" + (f".{subtype}" if "tool" in kind else "")
    content = {"source": "claude-code", "type": kind, "subtype": subtype, "session": session, "cwd": "/home/dev/shop", "timestamp": time, "data": data}
    return event(topic, content)


def tool(name, path=None, kind="post-tool-use", **more):
    given = {"tool_name": name, "tool_input": {"file_path": path} if path else {}, "duration_ms": 10}
    return hook(kind, subtype=name.lower(), **{**given, **more})


class Summaries(unittest.TestCase):
    def setUp(self):
        self.host = Host.from_manifest(summarize.plugin, MANIFEST)

    def test_a_session_is_summarized_at_its_end_and_forgotten(self):
        self.host.send(hook("session-start", subtype="startup", model="a-model"))
        self.host.send(hook("user-prompt-submit", prompt="Mend it"))
        self.host.send(tool("Read", "/home/dev/shop/a.py"))
        self.host.send(tool("Read", "/home/dev/shop/a.py"))
        self.host.send(tool("Edit", "/home/dev/shop/a.py"))
        self.host.send(tool("Bash", kind="post-tool-use-failure"))
        self.host.send(tool("Read", "/etc/hosts"))
        self.host.send(hook("session-end", subtype="logout", time="2026-01-02T10:42:00.5Z"))
        self.assertEqual([out.topic for out in self.host.published], ["session.summary"])
        self.assertEqual(self.host.published[0].json, {
            "session": "s1", "cwd": "/home/dev/shop", "model": "a-model",
            "started": "2026-01-02T10:00:00Z", "ended": "2026-01-02T10:42:00.5Z", "seconds": 2520.5, "end_reason": "logout", "prompts": 1,
            "tools": {"Read": {"calls": 3, "failures": 0, "ms": 30}, "Bash": {"calls": 1, "failures": 1, "ms": 10}, "Edit": {"calls": 1, "failures": 0, "ms": 10}},
            "files": {"read": ["a.py", "/etc/hosts"], "written": ["a.py"], "more": 0},
            "text": "shop, 42 min: 1 prompts, 5 tool calls (Read 3, Bash 1, Edit 1), 1 failed, 1 files written, 2 read.",
        })
        self.assertIsNone(self.host.stored("s1", "sessions"))

    def test_what_is_known_outlasts_the_instance(self):
        self.host.send(tool("Read", "/a"))
        self.host.reload()
        self.host.send(hook("session-end"))
        self.assertEqual(self.host.published[0].json["tools"]["Read"]["calls"], 1)

    def test_a_session_that_goes_on_can_be_asked_for(self):
        self.host.send(tool("Read", "/a"))
        answer = self.host.send(event("session.summary.get", {"session": "s1"}))
        self.assertIn('"calls":1', answer.text)
        for strange in ({"session": "x"}, {"session": 1}, [], {"session": "x" * 300}):
            self.assertEqual(self.host.send(event("session.summary.get", strange)).text, "null")

    def test_too_many_sessions_push_out_the_quiet_one(self):
        self.host = Host.from_manifest(summarize.plugin, MANIFEST, config={"sessions_max": 2})
        for number, time in ((1, "2026-01-02T10:00:09Z"), (2, "2026-01-02T10:00:01Z"), (3, "2026-01-02T10:00:05Z")):
            self.host.send(hook("user-prompt-submit", f"s{number}", time=time))
        gone = self.host.published[0].json
        self.assertEqual((gone["session"], gone["end_reason"], len(self.host.published)), ("s2", "forgotten", 1))

    def test_what_a_session_takes_in_the_store_is_bounded(self):
        self.host = Host.from_manifest(summarize.plugin, MANIFEST, config={"files_max": 1000})
        for number in range(600):
            self.host.send(tool(f"Tool{number}\x01", f"/{chr(1) * 100}{number}"))
        self.host.send(tool("Read", "/" + "x" * 5000))
        stored = self.host.stored("s1", "sessions")
        self.assertLess(len(stored), 64 << 10)
        self.host.send(hook("session-end"))
        made = self.host.published[0].json
        self.assertEqual((len(made["tools"]), made["tools"]["other"]["calls"]), (session.TOOLS_MAX + 1, 501))
        self.assertEqual(len(made["files"]["read"]) + made["files"]["more"], 601)

    def test_what_is_no_hook_is_rejected_and_strange_data_is_not_an_error(self):
        for data in ({}, {"session": 3}, [], {"session": ""}, {"session": "x" * 129}, {"session": "a\nb"}):
            with self.assertRaisesRegex(Reject, "normalize-hooks"):
                self.host.send(event("hook.session-end", data))
        strange = {"session": "s1", "type": "post-tool-use", "timestamp": 7, "data": {"tool_input": [], "duration_ms": True, "tool_name": 1}}
        self.host.send(event("hook.post-tool-use.x", strange))
        self.host.send(event("hook.session-end", {"session": "s1", "type": "session-end", "data": None, "subtype": []}))
        self.assertEqual(self.host.published[0].json["seconds"], None)

    def test_a_wrong_configuration_is_refused_in_words(self):
        for config, expected in (({"tpic": 1}, "unknown key `tpic`"), ({"topic": "a..b"}, "empty token"), ({"topic": 1}, "text"), ({"files_max": -1}, "0 to 1000")):
            with self.assertRaisesRegex(Reject, expected):
                Host.from_manifest(summarize.plugin, MANIFEST, config=config)


if __name__ == "__main__":
    unittest.main()
