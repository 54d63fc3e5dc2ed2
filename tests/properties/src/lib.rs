//! What must hold for any input of every parser of untrusted bytes: one plain function a parser, which panics where its
//! property does not hold.
//!
//! They are run in two ways: the test of this crate gives each its seeds (`tests/fuzz/seeds/<name>/`), so that they stay
//! true and keep compiling; `cargo xtask fuzz` gives them whatever libFuzzer comes up with (`tests/fuzz/`). An input that
//! broke a property becomes a seed once its cause is mended.
//!
//! What is asked of every parser beside its own rules: no panic, no hang, and a refusal whose text is short and on one line,
//! since texts from outside end up in logs, on terminals and in answers.

mod ce_headers;
mod cloudevent;
mod component;
mod config;
mod emit;
mod hook;
mod journal_record;
mod manifest;
mod message;
mod origin;
mod request;
mod sdk_event;
mod spool_line;
mod topic;
mod traceparent;
mod url;

pub use ce_headers::ce_headers;
pub use cloudevent::cloudevent;
pub use component::component;
pub use config::config;
pub use emit::emit;
pub use hook::hook;
pub use journal_record::journal_record;
pub use manifest::manifest;
pub use origin::origin;
pub use request::request;
pub use sdk_event::sdk_event;
pub use spool_line::spool_line;
pub use topic::topic;
pub use traceparent::traceparent;
pub use url::url;

/// What must hold for any input; panics where it does not.
pub type Property = fn(&[u8]);

/// Every property with its name, which is that of its fuzz target and of its folder of seeds.
pub const ALL: &[(&str, Property)] = &[
    ("ce_headers", ce_headers),
    ("cloudevent", cloudevent),
    ("component", component),
    ("config", config),
    ("emit", emit),
    ("hook", hook),
    ("journal_record", journal_record),
    ("manifest", manifest),
    ("origin", origin),
    ("request", request),
    ("sdk_event", sdk_event),
    ("spool_line", spool_line),
    ("topic", topic),
    ("traceparent", traceparent),
    ("url", url),
];
