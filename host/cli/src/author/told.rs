//! What happens in `plugbus dev`, for people: a word, and what it is about.

use plugbus::bus::Event;
use plugbus_author::Happened;
use serde_json::Value;

use super::in_words;
use crate::failure::chain;
use crate::output::{self, printable};

/// Most characters of an event's data that are shown.
const DATA_CHARS: usize = 2000;

/// The line to show; none for what only programs care about. Pure.
pub(super) fn told(happened: &Happened) -> Option<String> {
    let (word, text) = match happened {
        Happened::Started { socket } => ("host", format!("plugbus emit --socket {} TOPIC DATA", socket.display())),
        Happened::Changed { path } => ("change", path.display().to_string()),
        Happened::Doing(text) => ("build", printable(text)),
        Happened::Built(built) => ("built", in_words(built)),
        Happened::NotBuilt(error) => ("failed", printable(&chain(error))),
        Happened::Event(event) if event.topic.is_host() => host_event(event)?,
        Happened::Event(event) => {
            let data = output::brief(&String::from_utf8_lossy(&event.payload.data), DATA_CHARS);
            ("event", format!("{} from {} {data}", event.topic, printable(&event.source)))
        }
        Happened::Log { level, context, message } => {
            let level = format!("{level:?}").to_lowercase();
            ("log", printable(&format!("{level} {context}: {}", message.trim_end())))
        }
        Happened::Sample { path, outcome, expected } => {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let verdict = if *expected { "as expected" } else { "NOT as expected" };
            ("sample", format!("{name}: {} ({verdict})", printable(outcome)))
        }
        Happened::NoSamples(error) => ("sample", printable(&chain(error))),
        Happened::Missed(count) => ("missed", format!("{count} lines that came too fast to be shown")),
        other => ("other", format!("{other:?}")),
    };
    Some(format!("{word:<8} {}", text.replace('\n', "\n         ")))
}

/// What the host says of plugins and deliveries; its other events are left out.
fn host_event(event: &Event) -> Option<(&'static str, String)> {
    let data: Value = event.payload.parse().ok()?;
    let text = |key: &str| data.get(key).map(output::cell).unwrap_or_default();
    // What the guest wrote to stderr, and where it was.
    let whole = |first: String| {
        let stderr = data.get("stderr").and_then(Value::as_str).unwrap_or_default().trim_end();
        let backtrace = data.get("backtrace").and_then(Value::as_array).into_iter().flatten();
        let lines = std::iter::once(first).chain(Some(printable(stderr)).filter(|text| !text.is_empty()));
        lines.chain(backtrace.map(|frame| format!("  {}", output::cell(frame)))).collect::<Vec<_>>().join("\n")
    };
    Some(match event.topic.as_str() {
        "plugbus.plugin.loaded" | "plugbus.plugin.reloaded" => {
            ("loaded", format!("generation {}, for {}", text("generation"), text("filters")))
        }
        "plugbus.plugin.rejected" => ("refused", whole(text("cause"))),
        "plugbus.delivery.failed" => {
            let event = data.get("event").and_then(|event| event.get("topic")).map(output::cell).unwrap_or_default();
            let first = format!("attempt {} of {event}: {}; next: {}", text("attempt"), text("reason"), text("next"));
            (if data.get("is_fault") == Some(&Value::Bool(true)) { "fault" } else { "refusal" }, whole(first))
        }
        "plugbus.plugin.suspended" => ("suspended", format!("for {} ms: it faulted too often", text("suspend_ms"))),
        "plugbus.plugin.resumed" => ("resumed", String::new()),
        _ => return None,
    })
}
