"""The SDK of the CloudEvents project, with `requests` to carry what it makes."""

import json

import pytest
import requests
from cloudevents.core.bindings.http import to_binary_event, to_structured_event
from cloudevents.core.v1.event import CloudEvent

ATTRIBUTES = {
    "id": "7 € %41",
    "source": "/tests/größe".replace("ö", "%C3%B6").replace("ß", "%C3%9F"),
    "type": "build.done",
    "subject": 'of "main" 100 %',
    "kind": "fast",
}


def make(data, content_type, **more):
    return CloudEvent(attributes={**ATTRIBUTES, "datacontenttype": content_type, **more}, data=data)


def accepted(daemon, count):
    """The first events of the journal."""
    lines = daemon.cli("tail", "--from", "1", "-n", str(count), "--json", ">")
    return [json.loads(line) for line in lines.splitlines() if '"specversion"' in line]


@pytest.mark.parametrize("to_message", [to_binary_event, to_structured_event])
def test_an_event_of_the_sdk_arrives_as_it_was(daemon, to_message):
    message = to_message(make({"n": [1, "ü"]}, "application/json"))
    answer = requests.post(f"{daemon.url}/v1/events", headers=message.headers, data=message.body, timeout=60)
    assert answer.status_code == 202, answer.text
    assert (answer.json()["id"], answer.json()["seq"]) == (ATTRIBUTES["id"], 1)
    (event,) = accepted(daemon, 1)
    assert {name: event[name] for name in ATTRIBUTES} == ATTRIBUTES
    assert (event["data"], event["datacontenttype"]) == ({"n": [1, "ü"]}, "application/json")


def test_bytes_and_text_arrive_as_they_were(daemon):
    for data, content_type in [(b"\x00\xff", "application/octet-stream"), ("hello", "text/plain")]:
        message = to_binary_event(make(data, content_type, id=content_type))
        answer = requests.post(f"{daemon.url}/v1/events", headers=message.headers, data=message.body, timeout=60)
        assert answer.status_code == 202, answer.text
    data, text = accepted(daemon, 2)
    assert (data["data_base64"], text["data"]) == ("AP8=", "hello")


def test_a_batch_has_a_result_for_each_event(daemon):
    events = [json.loads(to_structured_event(make({}, "application/json", id=str(n))).body) for n in range(3)]
    events[1]["type"] = "not..a.topic"
    answer = requests.post(
        f"{daemon.url}/v1/events", data=json.dumps(events), timeout=60,
        headers={"content-type": "application/cloudevents-batch+json"},
    )
    assert answer.status_code == 207, answer.text
    assert [result["status"] for result in answer.json()["results"]] == [202, 400, 202]
    assert [event["id"] for event in accepted(daemon, 2)] == ["0", "2"]


def test_a_plugin_answers_over_http(make_daemon):
    daemon = make_daemon(plugins={"count-topics": ("plugins/count-topics", "[grants]\nkv = true\n")})
    settled = requests.post(f"{daemon.url}/v1/topics/build.done", params={"wait": "30"}, json={"ok": True}, timeout=60)
    assert (settled.status_code, settled.json()["results"][0]["outcome"]) == (200, "acked"), settled.text
    reply = requests.post(f"{daemon.url}/v1/requests/stats.topics.get", timeout=60)
    assert reply.json()["topics"] == {"build.done": 1}, reply.text
