"""PyPI python-socketio, unmodified, over each of its transports; and websocket-client."""

import json
import pathlib
import subprocess
import sys
import threading

import pytest
import requests
import socketio
import websocket

from conftest import PATIENCE, until


@pytest.mark.parametrize("transports", [["websocket"], ["polling"], ["polling", "websocket"]])
def test_subscribes_publishes_and_receives(daemon, transports):
    under = {"topic": [], "event": []}
    client = socketio.Client()
    client.on("orders.created", under["topic"].append)
    client.on("event", under["event"].append)
    client.connect(daemon.url, transports=transports)
    assert client.call("subscribe", ["orders.*"])["filters"] == ["orders.*"]
    for n in range(100):
        answer = client.call("publish", {"topic": "orders.created", "data": {"n": n}, "source": "py"})
        assert answer["ok"], answer
    until("all events", lambda: len(under["event"]) == 100 and len(under["topic"]) == 100)
    assert [event["data"]["n"] for event in under["event"]] == list(range(100))
    assert under["topic"] == under["event"]
    assert under["event"][0]["source"] == "py"
    assert client.call("publish", {"topic": "plugbus.x"})["status"] == 403
    client.disconnect()


def test_comes_back_after_a_restart_and_has_lost_nothing(daemon):
    seen = []
    client = socketio.Client(reconnection_delay=0.05, reconnection_delay_max=0.2)

    @client.event
    def connect():
        wish = {"filters": ["again"]}
        if seen:
            wish["from"] = seen[-1]["seq"] + 1
        client.emit("subscribe", wish, callback=lambda answer: subscribed.set())

    client.on("event", seen.append)
    client.on("missed", lambda missed: pytest.fail(str(missed)))
    subscribed = threading.Event()
    client.connect(daemon.url)
    assert subscribed.wait(PATIENCE)
    requests.post(f"{daemon.url}/v1/topics/again", json=1, timeout=PATIENCE).raise_for_status()
    until("the first", lambda: seen)
    daemon.stop()
    daemon.run()
    for n in range(2, 31):
        requests.post(f"{daemon.url}/v1/topics/again", json=n, timeout=PATIENCE).raise_for_status()
    until("the rest", lambda: len(seen) >= 30)
    assert [event["data"] for event in seen] == list(range(1, 31))
    client.disconnect()


def test_websocket_client_and_requests_stream(daemon):
    socket = websocket.create_connection(f"ws{daemon.url[4:]}/v1/ws", timeout=PATIENCE)
    socket.send(json.dumps({"op": "subscribe", "filters": ["a"], "id": 1}))
    assert json.loads(socket.recv())["filters"] == ["a"]
    with requests.get(f"{daemon.url}/v1/stream", params={"filter": "a"}, stream=True, timeout=PATIENCE) as stream:
        requests.post(f"{daemon.url}/v1/topics/a", json={"n": 1}, timeout=PATIENCE).raise_for_status()
        lines = (line for line in stream.iter_lines(decode_unicode=True) if line.startswith("data:"))
        event = json.loads(next(lines)[5:])
    assert json.loads(socket.recv())["event"] == event
    assert event["data"] == {"n": 1}
    page = requests.get(f"{daemon.url}/v1/history", params={"filter": "a"}, timeout=PATIENCE).json()
    assert page["events"] == [event]
    socket.close()


def test_the_readmes_python_does_what_it_says(daemon):
    readme = (pathlib.Path(__file__).parents[3] / "README.md").read_text()
    snippet = next(part.split("```")[0] for part in readme.split("```py\n")[1:] if "import socketio" in part)
    snippet = snippet.replace("http://127.0.0.1:7117", daemon.url) + "\nbus.sleep(1)\nbus.disconnect()\n"
    done = subprocess.run(
        [sys.executable, "-c", snippet], capture_output=True, text=True, timeout=PATIENCE, check=True,
    )
    # Two threads of the client print at the same time: what one prints may stand within what the other does.
    for part in ("created", "{'n': 1}", "'ok': True"):
        assert part in done.stdout, done.stdout
