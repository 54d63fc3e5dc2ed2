"""`/metrics` as Prometheus reads it, with the parser of its own client library."""

import requests
from prometheus_client.parser import text_string_to_metric_families

from conftest import until


def families(daemon):
    answer = requests.get(f"{daemon.url}/metrics", timeout=30)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    return {family.name: family for family in text_string_to_metric_families(answer.text)}


def test_every_metric_is_well_formed_and_counts(make_daemon):
    daemon = make_daemon(plugins={"picky": ("fixtures/trap-on-poison", '[retry]\nattempts = 1\n')})
    headers = {"content-type": "text/plain"}
    for text in ["fine", "fine", "poison"]:
        answer = requests.post(f"{daemon.url}/v1/topics/in.x?wait=30", data=text, headers=headers, timeout=60)
        assert answer.status_code in (200, 207), answer.text
    found = until("the counts", lambda: (all_ := families(daemon)) and value(all_, "plugbus_plugin_calls_total") == 3 and all_)

    for family in found.values():
        assert family.name.startswith("plugbus_"), family.name
        assert family.documentation, family.name
        assert family.type in ("counter", "gauge", "histogram"), (family.name, family.type)
        seen = [(sample.name, tuple(sorted(sample.labels.items()))) for sample in family.samples]
        assert len(seen) == len(set(seen)), family.name
    for part in ["bus", "subscription", "plugin", "loader", "journal", "socket", "http"]:
        assert any(name.startswith(f"plugbus_{part}_") for name in found), part

    assert value(found, "plugbus_bus_accepted_total") == 3
    assert value(found, "plugbus_plugin_faults_total", kind="trap") == 1
    assert value(found, "plugbus_subscription_dead_total", subscription="plugin/picky") == 1
    assert value(found, "plugbus_subscription_waiting", subscription="plugin/picky") == 0
    for name in ["plugbus_plugin_fuel", "plugbus_plugin_call_seconds", "plugbus_subscription_handler_seconds"]:
        samples = found[name].samples
        buckets = [sample.value for sample in samples if sample.name.endswith("_bucket")]
        count = next(sample.value for sample in samples if sample.name.endswith("_count"))
        assert buckets == sorted(buckets) and buckets[-1] == count == 3, name
        assert next(sample.value for sample in samples if sample.name.endswith("_sum")) > 0


def value(found, name, **labels):
    """The value of the one sample of that name with at least these labels."""
    family = found.get(name.removesuffix("_total")) or found.get(name)
    if family is None:
        return None
    samples = [s for s in family.samples if s.name == name and labels.items() <= s.labels.items()]
    assert len(samples) <= 1, samples
    return samples[0].value if samples else None
