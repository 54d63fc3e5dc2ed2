//! What loader, sandbox, journal and socket count, as metrics.

use plugbus_gateway::{Family, Field, Kind, Labels, Number, Sample, read};
use plugbus_loader::{PluginStatus, RunningStatus};
use serde_json::{Value, json};

use crate::socket::{Services, past};

/// `plugbus_plugin_…`: what the sandbox measures of the running generation, and what it may at most.
const PLUGIN: &[Field] = &[
    Field::gauge("generation", "Number of the generation that runs."),
    Field::gauge("instances", "Instances, which is events handled at once."),
    Field::counter("suspensions", "How often this generation was suspended."),
    Field::gauge("size_bytes", "Size of the component."),
    Field::counter("calls", "Calls of the handler that came to an end."),
    Field::counter("failures", "Calls that the guest answered with a failure."),
    Field::counter("cancelled", "Calls that were dropped before their end."),
    Field::gauge("fuel_last", "Fuel of the last call."),
    Field::gauge("fuel_max", "Fuel of the most expensive call."),
    Field::not("fuel_total"),
    Field::seconds("time_ns_last", "call_last_seconds", "Time of the last call."),
    Field::seconds("time_ns_max", "call_max_seconds", "Time of the longest call."),
    Field::not("time_ns_total"),
    Field::gauge("memory_bytes_last", "Linear memory of the instance that was called last."),
    Field::gauge("memory_bytes_peak", "Most linear memory that one instance has had."),
    Field::counter("instances_created", "Instances made."),
    Field::counter("recycles", "Instances made anew because the one before had come near its memory limit."),
    Field::counter("publishes", "Events staged."),
    Field::counter("publishes_denied", "Publishes refused: not allowed by the manifest, or called from init."),
    Field::counter("publishes_invalid", "Publishes refused: malformed."),
    Field::counter("publishes_over_limit", "Publishes refused: over the number or bytes for one event."),
    Field::counter("log_lines", "Log lines handed on."),
    Field::counter("log_bytes_cut", "Bytes of log that were cut."),
    Field::counter("http_requests", "Outgoing HTTP requests that were let through."),
    Field::counter("http_denied", "Outgoing HTTP requests refused: origin not granted, or a private address."),
    Field::counter("http_over_limit", "Outgoing HTTP requests refused: too many for one event."),
    Field::counter(
        "secrets_denied",
        "Outgoing HTTP requests refused: a secret in them that their origin may not have, or that would come back.",
    ),
    Field::counter("tcp_connects", "Outgoing TCP connections that were let through."),
    Field::counter(
        "sockets_denied",
        "Uses of sockets refused: endpoint not granted, a private address, listening, UDP.",
    ),
    Field::counter("sockets_over_limit", "Sockets, connections and lookups of names refused: too many."),
    Field::counter("kv_reads", "Keys read from the store."),
    Field::counter("kv_writes", "Keys written to the store or deleted from it."),
    Field::counter("kv_refused", "Operations on the store refused."),
    Field::counter("reasons_cut", "Reasons of failures that were cut."),
    Field::gauge("limit_fuel_per_event", "Fuel that one event may take."),
    Field::seconds("limit_deadline_ns", "limit_deadline_seconds", "Time that one event may take."),
    Field::gauge("limit_memory_bytes", "Memory that one instance may have."),
    Field::gauge("limit_queue_events", "Events that may wait."),
    Field::gauge("limit_queue_bytes", "Bytes that may wait."),
];

/// `plugbus_loader_…`
const LOADER: &[Field] = &[
    Field::counter("scans", "Looks at the plugins folder."),
    Field::counter("scans_failed", "Looks that failed."),
    Field::counter("hints", "Wakes because the system said that something changed."),
    Field::counter("loaded", "Plugins loaded into an empty slot."),
    Field::counter("reloaded", "Generations that took over from another."),
    Field::counter("unloaded", "Plugins unloaded because their file was gone."),
    Field::counter("rejected", "Components or manifests refused."),
    Field::counter("unchanged", "Files that were touched, with contents as before."),
    Field::counter("watches", "Times that a folder was begun to be watched."),
    Field::gauge("watching", "Whether the folder is watched now."),
    Field::gauge("plugins", "Plugins the folder holds or that still run."),
];

/// `plugbus_journal_…`
const JOURNAL: &[Field] = &[
    Field::gauge("first_seq", "Number of the first event that is kept."),
    Field::gauge("last_seq", "Number of the last event."),
    Field::counter("appended", "Events appended."),
    Field::counter("duplicates", "Events recognised as duplicates."),
    Field::counter("refused", "Events refused."),
    Field::counter("retired", "Events retired."),
    Field::counter("writes", "Writes carried out."),
    Field::gauge("writes_waiting", "Writes that are queued or held."),
    Field::counter(
        "unwritten",
        "Deliveries that have ended and could not be written down: they come again after a restart.",
    ),
    Field::counter("commits", "Commits."),
    Field::counter("commits_failed", "Commits that failed."),
    Field::seconds("commit_ns_p50", "commit_p50_seconds", "Half of all commits took no longer, up to a factor of two."),
    Field::seconds("commit_ns_p99", "commit_p99_seconds", "99 of 100 commits took no longer, up to a factor of two."),
    Field::seconds("commit_ns_max", "commit_max_seconds", "The longest commit."),
    Field::counter("checkpoints", "Times that the write-ahead log was written back."),
    Field::gauge("bytes", "Bytes of the database in use."),
    Field::gauge("file_bytes", "Bytes of the database's file."),
];

/// `plugbus_socket_…`
const SOCKET: &[Field] = &[
    Field::counter("accepted", "Connections accepted."),
    Field::counter("refused", "Connections turned away because there were too many."),
    Field::counter("accept_failed", "Times that the system could not accept a connection."),
    Field::gauge("open", "Connections open now."),
    Field::gauge("watchers", "Watchers now."),
    Field::counter("http", "Connections that spoke HTTP."),
    Field::counter("requests", "Requests understood."),
    Field::counter("bad_lines", "Lines that were not a request."),
    Field::counter("long_lines", "Connections closed because of a line over the limit."),
    Field::counter("half_lines", "Connections that ended in the middle of a line."),
    Field::counter("read_timeouts", "Connections closed because nothing was read in time."),
    Field::counter("write_timeouts", "Connections closed because an answer was not read in time."),
    Field::counter("watched", "Events queued for watchers."),
    Field::counter("missed", "Events that watchers missed."),
];

const SPOOL: &[Field] = &[
    Field::counter("taken", "Events taken in that hooks had left."),
    Field::counter("duplicates", "Of the events taken in, those that the bus had already."),
    Field::counter("malformed", "Lines put aside that were torn or changed."),
    Field::counter("refused", "Lines put aside whose event the bus will not have."),
    Field::counter("postponed", "Times that the rest was left for later."),
    Field::gauge("bytes", "Bytes that wait now."),
];

/// `plugbus_otlp_…`
const OTLP: &[Field] = &[
    Field::counter("exported", "Spans that the collector took."),
    Field::counter("dropped", "Spans that found no room in the queue."),
    Field::counter("failed", "Spans that were given up: the collector could not be reached or refused the request."),
    Field::counter("rejected", "Spans that the collector refused out of a request that it took."),
    Field::gauge("waiting", "Spans that wait now, those under way included."),
    Field::counter("requests", "Requests sent to the collector."),
    Field::counter("requests_failed", "Requests that failed."),
];

/// Reads everything.
pub(super) fn families(services: &Services) -> Vec<Family> {
    let alone = |value: Value| vec![(Labels::new(), value)];
    let mut families = read("plugbus_socket", SOCKET, &alone(json!(services.socket_stats())));
    if let Some(taker) = &services.taker {
        families.extend(read("plugbus_spool", SPOOL, &alone(json!(taker.stats()))));
    }
    if let Some(tracer) = &services.tracer {
        families.extend(read("plugbus_otlp", OTLP, &alone(json!(tracer.stats()))));
    }
    if let Some(loader) = &services.loader {
        families.extend(read("plugbus_loader", LOADER, &alone(json!(loader.stats()))));
        families.extend(plugins(&loader.plugins()));
    }
    if let Some(journal) = &services.journal {
        let stats = journal.stats();
        families.extend(read("plugbus_journal", JOURNAL, &alone(past::stats(services, &stats))));
        let refusing = Number::Whole(u64::from(stats.trouble.is_some()));
        let help = "Whether it refuses events now.";
        families.push(Family::gauge("plugbus_journal_refusing", help, vec![Sample::new(Labels::new(), refusing)]));
        let dropped = stats.dropped.iter();
        let dropped =
            dropped.map(|(name, count)| Sample::new(vec![("subscription", name.to_string())], Number::Whole(*count)));
        let help = "Events that a subscription lost because the journal was full.";
        families.push(Family::new("plugbus_journal_dropped", help, Kind::Counter, dropped.collect()));
    }
    families
}

fn plugins(all: &[PluginStatus]) -> Vec<Family> {
    let (mut rows, mut states, mut faults) = (Vec::new(), Vec::new(), Vec::new());
    let (mut times, mut fuel) = (Vec::new(), Vec::new());
    for plugin in all {
        let labels = || vec![("plugin", plugin.name.clone())];
        let state = json!(plugin.state).get("state").and_then(Value::as_str).unwrap_or_default().to_owned();
        states.push(Sample::new([labels(), vec![("state", state)]].concat(), Number::Whole(1)));
        let Some(running) = &plugin.running else { continue };
        rows.push((labels(), row(running)));
        times.push(Sample::new(labels(), Number::seconds(&running.metrics.time_ns)));
        fuel.push(Sample::new(labels(), Number::steps(&running.metrics.fuel)));
        faults.extend(running.metrics.faults.iter().map(|(kind, count)| {
            Sample::new([labels(), vec![("kind", (*kind).to_owned())]].concat(), Number::Whole(*count))
        }));
    }
    let mut families = read("plugbus_plugin", PLUGIN, &rows);
    families.push(Family::gauge("plugbus_plugin_state", "Always 1; the label is how the plugin is.", states));
    families.push(Family::new("plugbus_plugin_faults", "Faults by kind, init included.", Kind::Counter, faults));
    families.push(Family::new("plugbus_plugin_call_seconds", "Time of one call.", Kind::Histogram, times));
    families.push(Family::new("plugbus_plugin_fuel", "Fuel of one call.", Kind::Histogram, fuel));
    families
}

/// The figures of one plugin in one object.
fn row(running: &RunningStatus) -> Value {
    let mut row = json!(running.metrics);
    let limits = &running.limits;
    let more = json!({
        "generation": running.generation,
        "instances": running.instances,
        "suspensions": running.suspensions,
        "size_bytes": running.size_bytes,
        "limit_fuel_per_event": limits.fuel_per_event,
        "limit_deadline_ns": u64::try_from(limits.deadline.as_nanos()).unwrap_or(u64::MAX),
        "limit_memory_bytes": limits.memory_bytes,
        "limit_queue_events": running.queue.events_max,
        "limit_queue_bytes": running.queue.bytes_max,
    });
    if let (Value::Object(row), Value::Object(more)) = (&mut row, more) {
        // They have a metric of their own, by kind.
        row.remove("faults");
        row.extend(more);
    }
    row
}

#[cfg(test)]
mod tests {
    use plugbus_bus::Bus;
    use plugbus_gateway::{Gateway, Settings};
    use plugbus_sandbox::MetricsSnapshot;
    use serde_json::Value;

    use super::*;
    use crate::config::Config;
    use crate::socket::Limits;

    fn unknown(table: &[Field], value: Value) -> Vec<String> {
        let families = read("p", table, &[(Labels::new(), value)]);
        let unknown = families.into_iter().filter(|family| family.help.starts_with("The figure"));
        unknown.map(|family| family.name.into()).collect()
    }

    #[test]
    fn every_figure_has_a_kind_and_words() {
        let bus = Bus::default();
        let gateway = Gateway::new(bus.clone(), None, Settings::default()).unwrap();
        let services = Services::new(bus, None, None, gateway, Limits::new(&Config::default()));
        assert_eq!(unknown(SOCKET, json!(services.socket_stats())), [""; 0]);
        assert_eq!(unknown(SPOOL, json!(crate::spool::SpoolStats::default())), [""; 0]);
        assert_eq!(unknown(OTLP, json!(plugbus_otlp::ExportStats::default())), [""; 0]);
        assert_eq!(unknown(JOURNAL, past::stats(&services, &Default::default())), [""; 0]);
        let mut metrics = json!(MetricsSnapshot::default());
        metrics.as_object_mut().unwrap().remove("faults");
        assert_eq!(unknown(PLUGIN, metrics), [""; 0]);
    }
}
