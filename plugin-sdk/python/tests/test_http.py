"""What handlers can rely on of HTTP. Run with `python -m unittest` or pytest in this folder's parent."""

import re
import sys
import tempfile
import unittest
from pathlib import Path

SDK = Path(__file__).parent.parent
sys.path[:0] = [str(SDK / "src"), str(SDK)]

import build  # noqa: E402
from plugbus import DataError, HttpError, Plugin, Reject, Retry  # noqa: E402
from plugbus.http import Response, check_url, request, split_url  # noqa: E402
from plugbus.testing import Host, answer, event  # noqa: E402

URL = "https://api.example.com/x"


def host(handler, server=lambda request: None, **options):
    """A host for a plugin with one handler."""
    plugin = Plugin()
    plugin.on("a")(handler)
    return Host(plugin, http=server, **options)


def asked(*arguments, server=lambda request: None, **options):
    """What a request gets as its answer, and what the server saw of it."""
    got = []
    played = host(lambda _: got.append(request(*arguments, **options)), server)
    played.send(event("a"))
    return got[0], played.requests[0]


class Requests(unittest.TestCase):
    def test_bodies_go_by_what_they_are_given_as(self):
        length = lambda n: ("content-length", str(n))
        kind = ("content-type", "application/json")
        table = [
            ({}, b"", ()),
            ({"body": "ß"}, b"\xc3\x9f", (length(2),)),
            ({"body": bytearray(b"\xff")}, b"\xff", (length(1),)),
            ({"json": {"ä": None}}, '{"ä":null}'.encode(), (kind, length(11))),
            ({"json": None}, b"null", (kind, length(4))),
            ({"json": 1, "headers": {"Content-Type": "a/b"}}, b"1", (("content-type", "a/b"), length(1))),
            ({"method": "POST"}, b"", (length(0),)),
            ({"headers": [("X", "1"), ("x", "2")]}, b"", (("x", "1"), ("x", "2"))),
        ]
        for options, body, headers in table:
            _, seen = asked(URL, **options)
            self.assertEqual((seen.body, seen.headers), (body, headers), options)
        self.assertEqual(asked(URL, json=[1])[1].json(), [1])

    def test_what_is_malformed_is_invalid_and_nothing_is_sent(self):
        table = [
            ((URL, "G T"), {}, "is not a method"),
            ((URL,), {"headers": {"a b": "c"}}, "not the name of a header"),
            ((URL,), {"headers": {"a": "b\r\nc: d"}}, "control character"),
            ((URL,), {"headers": {"a": 1}}, "text is needed"),
            ((URL,), {"body": "\ud800"}, "surrogate"),
            ((URL,), {"timeout": -1}, "from 0 on"),
            ((URL,), {"timeout": float("nan")}, "from 0 on"),
            ((URL,), {"response_bytes_max": 1.5}, "whole number"),
            (("ftp://a",), {}, "must begin with"),
            (("http:///x",), {}, "has no host"),
            (("http://u:p@a/",), {}, "user name or password"),
            (("http://a/ b",), {}, "percent-encode"),
            (("http://a/\n",), {}, "percent-encode"),
            ((None,), {}, "is no text"),
        ]
        for arguments, options, expected in table:
            seen = []
            with self.assertRaisesRegex(Reject, f"HttpError: invalid: .*{expected}"):
                host(lambda _: request(*arguments, **options), seen.append).send(event("a"))
            self.assertEqual(seen, [], arguments)
        for options in ({"body": b"x", "json": 1}, {"body": 1}):
            with self.assertRaisesRegex(Reject, "TypeError"):
                asked(URL, **options)

    def test_urls_are_taken_apart(self):
        table = [
            ("http://a", ("http", "a", "/")),
            ("HTTPS://a.example:8443/x/y?z=1#f", ("https", "a.example:8443", "/x/y?z=1")),
            ("http://[::1]:80?q", ("http", "[::1]:80", "/?q")),
        ]
        for url, expected in table:
            check_url(url)
            self.assertEqual(split_url(url), expected)

    def test_outside_of_a_handler_there_is_no_http(self):
        with self.assertRaises(HttpError) as raised:
            request(URL)
        self.assertEqual(raised.exception.code, "denied")


class Answers(unittest.TestCase):
    def test_any_status_is_an_answer(self):
        for status, ok in ((200, True), (299, True), (302, False), (500, False)):
            seen, _ = asked(URL, server=lambda _, status=status: answer(status))
            self.assertEqual((seen.status, seen.ok), (status, ok))

    def test_headers_text_and_json(self):
        seen, _ = asked(URL, server=lambda _: answer(data={"a": "ß"}, headers={"X-Id": "1"}))
        self.assertEqual(seen.headers, {"content-type": "application/json", "x-id": "1"})
        self.assertEqual((seen.json(), seen.text()), ({"a": "ß"}, '{"a":"ß"}'))
        self.assertEqual(Response(200, body=b"a\xff").text(), "a\ufffd")

    def test_a_body_is_read_as_far_as_it_is_wanted(self):
        for bytes_max, body, is_cut in ((3, b"abc", False), (2, b"ab", True), (0, b"", True)):
            seen, _ = asked(URL, response_bytes_max=bytes_max, server=lambda _: answer(data=b"abc"))
            self.assertEqual((seen.body, seen.is_cut), (body, is_cut))
        with self.assertRaisesRegex(DataError, r"the response \(cut\) is no JSON"):
            Response(200, body=b"[1,", is_cut=True).json()
        self.assertEqual(len(asked(URL, server=lambda _: answer(data=b"x" * 70_000))[0].body), 65536)


class Failures(unittest.TestCase):
    def test_what_may_pass_is_retried_and_the_rest_rejected(self):
        for code, verdict in (("connection", Retry), ("timed-out", Retry), ("denied", Reject), ("invalid", Reject)):

            def server(_, code=code):
                raise HttpError(code, "why")

            with self.assertRaisesRegex(verdict, f"HttpError: {code}: why"):
                host(lambda _: request(URL), server).send(event("a"))

    def test_only_granted_origins_are_reached_and_the_error_has_the_line_to_add(self):
        sent = host(lambda event: request(event.text).status and None, origins=["https://api.example.com", "http://[::1]:81"])
        for url in (URL, "https://API.example.com:443/y", "http://[::1]:81/"):
            sent.send(event("a", url))
        for origin in ("http://api.example.com", "https://api.example.com:444", "https://example.com", "http://[::1]"):
            with self.assertRaisesRegex(Reject, re.escape(f'denied: http-request-denied: the manifest must have [grants] http = ["{origin}"]')):
                sent.send(event("a", f"{origin}/x"))
        self.assertEqual(len(sent.requests), 3)
        for text in ("api.example.com", "https://a/", "https://a/b", "https://a:x"):
            with self.assertRaisesRegex(ValueError, "is no origin"):
                host(lambda _: None, origins=[text])

    def test_without_a_server_or_a_grant_in_the_manifest_requests_are_denied(self):
        with self.assertRaisesRegex(Reject, "denied: the test has no server"):
            host(lambda _: request(URL), None).send(event("a"))
        plugin = Plugin()
        plugin.on("a")(lambda _: str(request(URL).status))
        with tempfile.TemporaryDirectory() as folder:
            manifest = Path(folder, "a.toml")
            for text, outcome in (('[grants]\nhttp = ["https://api.example.com"]\n', "200"), ("", None)):
                manifest.write_text(text)
                played = Host.from_manifest(plugin, manifest, http=lambda _: answer())
                if outcome is None:
                    self.assertRaisesRegex(Reject, "denied", played.send, event("a"))
                else:
                    self.assertEqual(played.send(event("a")).text, outcome)

    def test_the_requests_of_one_event_are_bounded(self):
        def handler(event):
            for _ in range(int(event.text)):
                request(URL)

        played = host(handler)
        for _ in range(2):
            played.send(event("a", "32"))
        with self.assertRaisesRegex(Retry, "over 32 requests"):
            played.send(event("a", "33"))


class World(unittest.TestCase):
    def test_a_component_imports_what_its_project_asks_for_and_no_more(self):
        wit = build.find_wit()
        for store in (False, True):
            for http in (False, True):
                with tempfile.TemporaryDirectory() as folder:
                    world = build.write_world(Path(folder, "wit"), wit, {"store": store, "http": http})
                    text = Path(world, "built.wit").read_text()
                self.assertEqual("plugin-with-store@" in text, store)
                self.assertEqual("wasi:http/outgoing-handler@" in text, http)


if __name__ == "__main__":
    unittest.main()
