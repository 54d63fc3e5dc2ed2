use super::*;
use crate::log::Level;
use crate::prelude::*;

/// Does what the event tells it to.
struct Puppet {
    filters: Vec<String>,
}

#[derive(Deserialize)]
struct Orders {
    #[serde(default)]
    publish: Vec<(String, String)>,
    #[serde(default)]
    extensions: Vec<(String, String)>,
    fail: Option<String>,
    reply: Option<u32>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    filters: Option<Vec<String>>,
    #[serde(default)]
    publish_in_new: bool,
}

impl Plugin for Puppet {
    type Config = Config;

    fn new(config: Config) -> Result<Self> {
        log::debug!("made");
        if config.publish_in_new {
            publish("a", &1)?;
        }
        Ok(Self { filters: config.filters.unwrap_or_else(|| vec!["puppet.*".into()]) })
    }

    fn filters(&self) -> Vec<String> {
        self.filters.clone()
    }

    fn handle(&mut self, event: Event) -> Result<Reply> {
        let orders: Orders = event.json()?;
        log::info!("{} orders", orders.publish.len());
        for (topic, text) in orders.publish {
            let mut draft = Draft::new(topic).text(text);
            for (name, value) in &orders.extensions {
                draft = draft.extension(name, value);
            }
            draft.publish()?;
        }
        match (orders.fail, orders.reply) {
            (Some(reason), _) => Err(Failure::retry(reason)),
            (None, Some(number)) => Reply::json(&number),
            (None, None) => Ok(Reply::none()),
        }
    }
}

crate::export!(Puppet);

fn host() -> Host<Puppet> {
    Host::new(json!({})).unwrap()
}

fn order(orders: Value) -> EventBuilder {
    event("puppet.x").json(&orders)
}

#[test]
fn what_an_acked_handler_published_is_seen_with_subject_and_trace() {
    let mut host = host();
    let trigger = order(json!({ "publish": [["a", "1"], ["b", "2"]] })).subject("s").extension("traceparent", "00-t");
    assert_eq!(host.send(trigger), Ok(None));
    let seen: Vec<_> =
        host.published().iter().map(|p| (p.topic.as_str(), p.payload.to_text(), p.id.as_str())).collect();
    assert_eq!(seen, [("a", "1".into(), "event-1/1"), ("b", "2".into(), "event-1/2")]);
    let first = &host.published()[0];
    assert_eq!((first.subject.as_deref(), first.extension("traceparent")), (Some("s"), Some("00-t")));
    assert_eq!(host.take_published().len(), 2);
    assert!(host.published().is_empty());
}

#[test]
fn a_handler_that_fails_publishes_nothing_but_its_log_stays() {
    let mut host = host();
    let failed = host.send(order(json!({ "publish": [["a", "1"]], "fail": "later" })));
    assert_eq!(failed, Err(Failure::retry("later")));
    assert!(host.published().is_empty());
    let lines: Vec<_> = host.logs().iter().map(|line| (line.level, line.message.as_str())).collect();
    assert_eq!(lines, [(Level::Debug, "made"), (Level::Info, "1 orders")]);
    assert!(host.logs()[0].context.ends_with("testing::tests"));
}

#[test]
fn a_reply_is_returned() {
    assert_eq!(host().send(order(json!({ "reply": 7 }))).unwrap().unwrap().to_text(), "7");
}

#[test]
fn bad_json_rejects_with_the_place() {
    let failed = host().send(event("puppet.x").raw_json(r#"{"publish": 3}"#)).unwrap_err();
    assert_eq!(
        failed,
        Failure::reject(
            "event on `puppet.x`: `publish`: invalid type: integer `3`, expected a sequence at line 1 column 13"
        )
    );
}

#[test]
fn a_refused_publish_rejects_with_the_hosts_reason() {
    let table = [
        (json!({ "publish": [["b.c", ""]] }), "publish denied: no filter in the manifest's `publish` covers `b.c`"),
        (json!({ "publish": [["plugbus.x", ""]] }), "publish denied: topic `plugbus.x` is the host's own"),
        (
            json!({ "publish": [["a..b", ""]] }),
            "publish of a malformed event: topic `a..b` has an empty token at position 2",
        ),
        (json!({ "publish": [["a.*", ""]] }), "publish of a malformed event: topic `a.*` has '*' in token 2"),
        (
            json!({ "publish": [["a.b", ""]], "extensions": [["type", "x"]] }),
            "publish of a malformed event: extension `type`",
        ),
        (
            json!({ "publish": [["a.b", ""]], "extensions": [["x", "a\nb"]] }),
            "publish of a malformed event: extension `x`",
        ),
    ];
    for (orders, reason) in table {
        let mut host = host();
        host.grant_publish(&["a.>", "plugbus.>"]);
        let failed = host.send(order(orders)).unwrap_err();
        assert!(!failed.is_retry() && failed.reason().starts_with(reason), "{failed}");
    }
}

#[test]
fn number_and_bytes_of_publishes_are_bounded_for_each_event() {
    let mut host = host();
    host.limit_publishes(2);
    let two = json!({ "publish": [["a", "1"], ["a", "2"]] });
    for _ in 0..3 {
        host.send(order(two.clone())).unwrap();
    }
    let failed = host.send(order(json!({ "publish": [["a", "1"], ["a", "2"], ["a", "3"]] }))).unwrap_err();
    assert!(failed.reason().starts_with("publish over the limit: one event may publish at most 2 events"), "{failed}");
    host.limit_publish_bytes(40);
    assert!(host.send(order(json!({ "publish": [["a", "x".repeat(50)]] }))).is_err());
    assert_eq!(host.published().len(), 6);
}

#[test]
fn a_plugin_is_refused_for_its_config_its_filters_and_what_it_does_in_new() {
    let refusal = |config: Value| Host::<Puppet>::new(config).unwrap_err().reason().to_owned();
    assert_eq!(refusal(json!({ "x": 1 })), "config: unknown key `x`, expected `filters` or `publish_in_new`");
    assert_eq!(refusal(json!({ "filters": ["a.>.b"] })), "filter `a.>.b` has '>' in token 2, where it is not allowed");
    assert_eq!(refusal(json!({ "filters": vec!["a"; 65] })), "65 filters; at most 64 are allowed");
    assert_eq!(refusal(json!({ "publish_in_new": true })), "publish denied: publishing is not allowed in `init`");
}

#[test]
fn filters_come_from_the_config_where_the_plugin_says_so() {
    assert!(host().subscribes_to("puppet.x") && !host().subscribes_to("other"));
    let host = Host::<Puppet>::new(json!({ "filters": ["other", "x.>"] })).unwrap();
    assert!(host.subscribes_to("other") && host.subscribes_to("x.y.z") && !host.subscribes_to("puppet.x"));
    assert_eq!(host.filters(), ["other", "x.>"]);
}

#[test]
fn outside_of_a_host_publishing_is_denied() {
    let error = publish("a", &1).unwrap_err();
    assert!(error.reason().contains("testing::Host"), "{error}");
}
