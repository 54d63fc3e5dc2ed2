//! The real plugins, built and with their sample manifests, in the real host.

mod count_topics;
mod filter_c;
mod log_jsonl;
mod normalize_hooks;
mod redact_js;
mod relay_slack_ts;
mod relay_socketio;
mod relay_webhook;
mod route_go;
mod summarize_python;
mod together;
