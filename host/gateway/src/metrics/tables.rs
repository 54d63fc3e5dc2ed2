//! What is said of the figures of the bus and the gateway.

use super::fields::Field;

/// Kinds of subscriptions that only look, each under a name of its own.
pub(super) const LOOKING: &[&str] = &["observer", "watcher"];

/// `plugbus_bus_…`
pub(super) const BUS: &[Field] = &[
    Field::counter("accepted", "Events accepted."),
    Field::counter("refused", "Publishes refused: malformed, no room, closed."),
    Field::counter("unmatched", "Accepted events that matched no subscription."),
    Field::counter("muted", "Publishes that a mute swallowed."),
    Field::counter("held", "Publishes that a hold keeps or kept back."),
    Field::counter("topics_unlisted", "Publishes on topics that found no room in the directory of topics."),
    Field::counter("outbox_refused", "Events that handlers published and that were refused at release."),
    Field::counter("duplicates", "Events whose id and source had been accepted before."),
    Field::counter("journal_refused", "Events that the journal refused."),
    Field::gauge("subscriptions", "Subscriptions now."),
    Field::gauge("dead_letters_held", "Dead letters now."),
    Field::gauge("dead_letters_held_bytes", "Bytes of dead letters now, approximately."),
    Field::counter("dead_letters_total", "Dead letters ever recorded."),
    Field::counter("dead_letters_evicted", "Dead letters pushed out by newer ones."),
];

/// `plugbus_subscription_…`
pub(super) const SUBSCRIPTION: &[Field] = &[
    Field::gauge("paused", "Whether somebody has paused it."),
    Field::gauge("suspended", "Whether its supervisor has suspended it."),
    Field::counter("matched", "Events taken in."),
    Field::counter("attempts", "Attempts that came to their own end."),
    Field::counter("acked", "Deliveries acked."),
    Field::counter("retried", "Attempts that ended in a retry."),
    Field::counter("rejected", "Deliveries that the handler rejected."),
    Field::not("faults"),
    Field::counter("dead", "Deliveries that became dead letters."),
    Field::counter("dropped", "Events dropped by the queue's policy."),
    Field::counter("full", "Times that an event found the queue full."),
    Field::counter("discarded", "Events left behind by a stream that went away."),
    Field::counter("conflicts", "Attempts repeated because another handler had changed what they had read."),
    Field::counter("ticks", "Ticks handled."),
    Field::counter("ticks_failed", "Ticks that failed."),
    Field::counter("ticks_skipped", "Ticks not given because the one before was still on its way."),
    Field::gauge("waiting", "Events waiting now."),
    Field::gauge("waiting_bytes", "Bytes waiting now."),
    Field::gauge("in_flight", "Deliveries in flight now."),
    Field::not("handler_ns_total"),
    Field::seconds("handler_ns_max", "handler_max_seconds", "Longest single attempt."),
    Field::gauge("state_keys", "Keys that it remembers."),
    Field::gauge("state_bytes", "Bytes that it remembers."),
    Field::gauge("durable_floor", "Every event up to this number is settled."),
    Field::gauge("durable_backlog", "Events over the floor, wanted or not, settled or not."),
    Field::gauge("durable_behind", "Whether more waits in the journal than the queue holds."),
    Field::counter("durable_spilled", "Events that were read from the journal because the queue was full."),
    Field::counter("durable_retired", "Events that were retired before the subscription came to them."),
];

/// `plugbus_http_…`
pub(super) const HTTP: &[Field] = &[
    Field::counter("connections", "Connections accepted."),
    Field::counter("connections_refused", "Connections turned away because there were too many."),
    Field::gauge("connections_open", "Connections open now."),
    Field::counter("connections_broken", "Connections that ended in an error: broken off, malformed, or too slow."),
    Field::counter("accept_failed", "Times that the system could not accept a connection (no descriptors left, say)."),
    Field::counter("handshakes_failed", "TLS handshakes that failed or took too long."),
    Field::counter("requests", "Requests that came in."),
    Field::counter("client_errors", "Of these, answered with 400 to 499."),
    Field::counter("server_errors", "Of these, answered with 500 to 599."),
    Field::counter("foreign", "Requests refused for their host or origin."),
    Field::counter("unauthorized", "Requests refused for want of a token that is known."),
    Field::counter("rate_limited", "Requests refused because there were too many in a second."),
    Field::counter("bodies_too_large", "Bodies over the bound."),
    Field::counter("bodies_timed_out", "Bodies that did not come in time."),
    Field::counter("bodies_broken", "Bodies that broke off or were malformed."),
    Field::counter("events", "Events that were accepted."),
    Field::counter("uploads", "Components and manifests that were uploaded."),
    Field::counter("uploads_refused", "Uploads that were refused: too large, or nothing that can run."),
    Field::gauge("streams_open", "Streams of server-sent events open now."),
    Field::gauge("websockets_open", "WebSockets open now."),
    Field::gauge("socketio_open", "Clients of Socket.IO connected now."),
    Field::counter("socketio_refused", "Clients of Socket.IO turned away because there were too many."),
    Field::counter("messages", "Messages that came from WebSocket and Socket.IO peers."),
    Field::counter("messages_bad", "Of these, those that were malformed or not allowed."),
    Field::counter("peers_silent", "WebSockets closed because nothing came from their peers."),
    Field::counter("watched", "Events queued for readers."),
    Field::counter("missed", "Events that readers missed because they read too slowly."),
];

/// `plugbus_history_…`
pub(super) const HISTORY: &[Field] = &[
    Field::gauge("events", "Events kept in memory."),
    Field::gauge("bytes", "Their bytes."),
    Field::gauge("first", "The first number kept."),
    Field::gauge("last", "The last number kept."),
    Field::counter("retired", "Events that made room for newer ones."),
];

#[cfg(test)]
mod tests {
    use plugbus_bus::{Bus, HistoryLimits};
    use serde_json::Value;

    use super::super::{Labels, read};
    use super::*;
    use crate::counters::GatewayStats;

    fn unknown(table: &[Field], value: Value) -> Vec<String> {
        let families = read("p", table, &[(Labels::new(), value)]);
        families
            .into_iter()
            .filter(|family| family.help.starts_with("The figure"))
            .map(|family| family.name.into())
            .collect()
    }

    #[tokio::test]
    async fn every_figure_has_a_kind_and_words() {
        let bus = Bus::default();
        let _subscription = bus.subscribe("a").name("s").on(|_| async {}).unwrap();
        assert_eq!(unknown(BUS, serde_json::to_value(bus.stats()).unwrap()), [""; 0]);
        let subscription = bus.subscriptions().into_iter().next().unwrap();
        assert_eq!(unknown(HTTP, serde_json::to_value(GatewayStats::default()).unwrap()), [""; 0]);
        let remembering = Bus::builder().history(HistoryLimits::default()).build();
        assert_eq!(unknown(HISTORY, serde_json::to_value(remembering.history_stats()).unwrap()), [""; 0]);
        assert_eq!(unknown(SUBSCRIPTION, serde_json::to_value(subscription).unwrap()), [""; 0]);
    }
}
