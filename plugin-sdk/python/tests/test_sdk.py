"""What handlers can rely on. Run with `python -m unittest` or pytest in this folder's parent."""

import logging
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "src"))

from plugbus import (  # noqa: E402
    DataError, Denied, Invalid, OverLimit, Payload, Plugin, Reject, Retry, StateError, log, publish, state, topic,
)
from plugbus.event import parse_json  # noqa: E402
from plugbus.testing import Host, event  # noqa: E402


def one(handler, config=None, **options):
    """A host for a plugin with one handler."""
    plugin = Plugin()
    plugin.on("a.>")(handler)
    return Host(plugin, config, **options)


def raising(error):
    def handler(event):
        publish("b", 1)
        raise error

    return handler


class Handlers(unittest.TestCase):
    def test_values_become_replies_by_their_type(self):
        table = [
            (None, None),
            ("text", Payload("text/plain; charset=utf-8", "text")),
            (b"\xff", Payload("application/octet-stream", b"\xff")),
            ({"ä": [1, None]}, Payload("application/json", '{"ä":[1,null]}')),
            (Payload.json("text"), Payload("application/json", '"text"')),
        ]
        for answer, expected in table:
            self.assertEqual(one(lambda _, answer=answer: answer).send(event("a.b")), expected)

    def test_the_first_handler_that_matches_gets_the_event_and_a_bare_one_the_rest(self):
        plugin = Plugin()
        plugin.on()(lambda _: "rest")
        plugin.on("a.*", "b")(lambda _: "first")
        plugin.on("a.>")(lambda _: "second")
        host = Host(plugin)
        self.assertEqual([host.send(event(name)).text for name in ("a.x", "b", "a.x.y", "z")], ["first", "first", "second", "rest"])
        self.assertEqual(host.filters, ["a.*", "b", "a.>"])

    def test_a_topic_without_a_handler_is_rejected(self):
        with self.assertRaisesRegex(Reject, "no handler for topic `z`"):
            one(lambda _: None).send(event("z"))

    def test_async_handlers_and_bad_filters_are_refused_at_once(self):
        async def handler(event):
            pass

        with self.assertRaisesRegex(TypeError, "use `def`"):
            Plugin().on("a")(handler)
        with self.assertRaisesRegex(ValueError, "empty token at position 2"):
            Plugin().on("a..b")

    def test_handlers_of_the_setup_are_those_of_the_instance(self):
        plugin = Plugin()

        @plugin.setup
        def setup(config):
            plugin.on(*config["filters"])(lambda _: "here")

        host = Host(plugin, {"filters": ["x.*"]})
        host.reload({"filters": ["x.*"]})
        self.assertEqual(len(plugin._handlers), 1)
        self.assertEqual(host.send(event("x.y")).text, "here")


class Failures(unittest.TestCase):
    def test_an_ordinary_exception_rejects_with_its_text_and_logs_its_traceback(self):
        host = one(raising(RuntimeError("boom")))
        with self.assertRaisesRegex(Reject, "RuntimeError: boom"):
            host.send(event("a.b"))
        self.assertEqual(host.published, [])
        self.assertEqual(host.logs[0].level, "error")
        self.assertIn("in handler", host.logs[0].message)

    def test_retry_and_reject_pass_through_and_throw_away_what_was_published(self):
        for error in (Retry("later", after=1.5), Reject("never")):
            host = one(raising(error))
            with self.assertRaises(type(error)) as raised:
                host.send(event("a.b"))
            self.assertIs(raised.exception, error)
            self.assertEqual((host.published, host.logs), ([], []))

    def test_after_is_seconds_and_finite(self):
        self.assertEqual(Retry("x", after=0.01).after_ms, 10)
        self.assertIsNone(Retry("x").after_ms)
        for after in (-1, float("nan"), float("inf")):
            with self.assertRaises(ValueError):
                Retry("x", after=after)

    def test_named_exceptions_and_the_store_are_retried(self):
        plugin = Plugin()
        plugin.on("a", retry_on=(OSError,))(raising(TimeoutError("slow")))
        with self.assertRaisesRegex(Retry, "TimeoutError: slow"):
            Host(plugin).send(event("a"))
        with self.assertRaisesRegex(Retry, "not granted"):
            one(lambda _: state.get("k"), kv=False).send(event("a.b"))

    def test_memory_errors_are_faults(self):
        with self.assertRaises(MemoryError):
            one(raising(MemoryError())).send(event("a.b"))

    def test_a_setup_that_raises_refuses_the_plugin_in_words(self):
        table = [
            (KeyError("url"), "^config: missing key `url`$"),
            (ValueError("port is no number"), "^config: port is no number$"),
            (Reject("no"), "^no$"),
        ]
        for error, expected in table:
            plugin = Plugin()

            def setup(config, error=error):
                raise error

            plugin.setup(setup)
            with self.assertRaisesRegex(Reject, expected):
                Host(plugin)


class Data(unittest.TestCase):
    def test_data_that_is_no_json_rejects_and_names_it(self):
        for data in ("nope", "", "NaN", "{", b"\xff"):
            host = one(lambda event: event.json)
            with self.assertRaisesRegex(Reject, "JSON|no text"):
                host.send(event("a.b", data))
            self.assertEqual(host.logs, [], "a traceback would hide whose fault it is")

    def test_deep_nesting_is_an_error_and_never_a_stack_that_overflows(self):
        self.assertEqual(parse_json("[" * 500 + "]" * 500, "x") and 1, 1)
        wide = "[" + ",".join(['{"a":"]}\\""}'] * 2000) + "]"
        self.assertEqual(len(parse_json(wide, "x")), 2000)
        for text in ("[" * 501, "[" * 100_000, '["]",' * 600, '{"a":' * 501 + "1" + "}" * 501):
            with self.assertRaisesRegex(DataError, "deep"):
                parse_json(text, "x")
        with self.assertRaises(DataError):
            parse_json('["' + '[\\"' * 200_000, "x")

    def test_half_a_surrogate_pair_survives_as_an_escape(self):
        host = one(lambda event: publish("b", event.json) and None)
        host.send(event("a.b", '{"a":"\\ud800"}', content_type="application/json"))
        self.assertEqual(host.published[0].text, '{"a":"\\ud800"}')
        with self.assertRaisesRegex(Reject, "surrogate"):
            one(lambda event: event.json["a"]).send(event("a.b", '{"a":"\\ud800"}'))

    def test_text_bytes_and_times(self):
        seen = event("a.b", "ß", time_ns=1_500_000_000)
        self.assertEqual((seen.text, seen.data, seen.time.isoformat()), ("ß", b"\xc3\x9f", "1970-01-01T00:00:01.500000+00:00"))
        self.assertEqual(event("a", b"text").payload.body, "text")
        self.assertEqual(event("a").data, b"")


class Publishing(unittest.TestCase):
    def refused(self, expected, *arguments, **options):
        caught = []

        def handler(_):
            try:
                publish(*arguments, **options)
            except expected as error:
                caught.append(error)

        host = one(handler, publish=["b.>"])
        host.send(event("a.b"))
        self.assertEqual((len(caught), host.published), (1, []), arguments)

    def test_refusals_are_exceptions_by_kind(self):
        self.refused(Denied, "c", 1)
        self.refused(Denied, "plugbus.x", 1)
        self.refused(Invalid, "b..c", 1)
        self.refused(Invalid, "b.c", "\ud800")
        self.refused(Invalid, "b.c", 1, extensions={"Upper": "x"})
        self.refused(Invalid, "b.c", 1, extensions={"type": "x"})
        self.refused(Invalid, "b.c", 1, content_type="x" * 256)
        self.refused(OverLimit, "b.c", "x" * (1 << 20) + "x")

    def test_over_the_number_of_publishes(self):
        def handler(_):
            for i in range(10):
                publish("b", i)

        with self.assertRaisesRegex(Reject, "over the limit"):
            one(handler, limits={"publishes_max": 9}).send(event("a.b"))

    def test_a_refusal_left_alone_rejects(self):
        with self.assertRaisesRegex(Reject, "Denied: publish denied"):
            one(lambda _: publish("c"), publish=[]).send(event("a.b"))

    def test_publishing_outside_of_a_handler_is_denied(self):
        with self.assertRaises(Denied):
            publish("a")

    def test_data_goes_by_its_type_and_attributes_along(self):
        def handler(_):
            publish("b", None)
            publish("b", "x", extensions={"k": "v"})
            publish("b", '{"a":1}', content_type="application/json")

        host = one(handler)
        host.send(event("a.b", extensions={"traceparent": "00-1"}))
        self.assertEqual([(p.payload.content_type, p.text) for p in host.published],
                         [("", ""), ("text/plain; charset=utf-8", "x"), ("application/json", '{"a":1}')])
        self.assertEqual(host.published[1].extensions, {"k": "v", "traceparent": "00-1"})


class StoreAndLog(unittest.TestCase):
    def test_what_a_failed_handler_stored_is_thrown_away(self):
        def handler(event):
            count = state.increment("n")
            if event.attempt == 1:
                raise Retry("again")
            return count

        host = one(handler)
        with self.assertRaises(Retry):
            host.send(event("a.b"))
        self.assertEqual(host.send(event("a.b", attempt=2)).text, "1")
        self.assertEqual(host.stored("n"), b"1")

    def test_the_bounds_of_the_store_are_errors_in_words(self):
        for key, value in (("", 1), ("k" * 257, 1), ("k", "x" * 65536)):
            with self.assertRaisesRegex(Retry, "bytes"):
                one(lambda _, key=key, value=value: state.set(key, value)).send(event("a.b"))
        with self.assertRaises(StateError):
            state.get("k")

    def test_log_lines_and_records_of_logging_come_together(self):
        def handler(_):
            log.info("one", context="c")
            logging.getLogger("lib").warning("two %d", 2)

        host = one(handler)
        host.send(event("a.b"))
        self.assertEqual([(l.level, l.context, l.message) for l in host.logs], [("info", "c", "one"), ("warn", "lib", "two 2")])
        with self.assertRaises(ValueError):
            log.log("loud", "x")


class Topics(unittest.TestCase):
    def test_filters_match_as_on_the_bus(self):
        table = [
            ("a.*", "a.b", True), ("a.*", "a", False), ("a.*", "a.b.c", False), ("a.>", "a.b.c", True), ("a.>", "a", False),
            (">", "plugbus.x", False), ("*.x", "plugbus.x", False), ("plugbus.>", "plugbus.x", True), ("a", "a", True), ("a", "a.b", False),
        ]
        for filter, name, expected in table:
            self.assertEqual(topic.matches(filter, name), expected, (filter, name))

    def test_what_is_no_topic(self):
        for name in ("", "a" * 256, ".a", "a.", "a b", "a\n", "a.*", ">", ".".join("a" * 17)):
            self.assertIsNotNone(topic.check(name), name)
        self.assertIsNone(topic.check("hook.ß"))


if __name__ == "__main__":
    unittest.main()
