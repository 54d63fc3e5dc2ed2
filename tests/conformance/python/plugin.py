"""The conformance suite's guest in Python: see ../README.md."""

from plugbus import Denied, OverLimit, Payload, Plugin, Reject, Retry, log, publish

plugin = Plugin()


@plugin.on("c.good")
def good(event):
    publish("out.good", {**event.json, "by": "python"})


@plugin.on("c.retry")
def retry(event):
    if event.attempt == 1:
        publish("out.retry", {"lost": True})
        raise Retry("not yet", after=0.01)
    publish("out.retry", {"attempt": event.attempt})


@plugin.on("c.reject")
def reject(event):
    raise Reject("no thanks")


@plugin.on("c.exception")
def exception(event):
    raise RuntimeError("boom")


@plugin.on("c.denied")
def denied(event):
    try:
        publish("elsewhere.topic", {})
    except Denied:
        publish("out.denied", {"error": "denied"})


@plugin.on("c.limit")
def limit(event):
    for i in range(1_000_000):
        try:
            publish("out.limit", {"i": i})
        except OverLimit as error:
            raise Reject(f"refused after {i}: over-limit") from error


@plugin.on("c.request")
def request(event):
    return {"got": event.json}


@plugin.on("c.config")
def config(event):
    publish("out.config", {"greeting": plugin.config.get("greeting")})


@plugin.on("c.unicode")
def unicode(event):
    publish("out.unicode", event.text, content_type="text/plain")


@plugin.on("c.empty")
def empty(event):
    publish("out.empty", {"bytes": len(event.data)})


@plugin.on("c.large")
def large(event):
    publish("out.large", {"items": len(event.json["items"]), "bytes": len(event.data)})


@plugin.on("c.binary")
def binary(event):
    publish("out.binary", Payload("application/octet-stream", event.data[::-1]))


@plugin.on("c.count")
def count(event):
    publish("out.count", {"n": event.json["n"]})


@plugin.on("c.log")
def hello(event):
    log.info("hello from python")
