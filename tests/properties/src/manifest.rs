//! Manifests of plugins.

use std::path::Path;
use std::sync::Arc;

use plugbus::bus::EventLimits;
use plugbus::loader::Manifest;
use plugbus::sandbox::{FILTERS_MAX, TracingLog};
use serde_json::{Map, Value};

use crate::message;

/// A manifest is taken, the same each time, or refused at a place that is in it.
pub fn manifest(bytes: &[u8]) {
    let parse = || Manifest::parse(Path::new("p.toml"), bytes, Path::new("plugins"));
    match parse() {
        Ok(manifest) => {
            assert!(parse().is_ok_and(|again| again == manifest));
            let spec = manifest.to_spec("p", Arc::new(TracingLog), EventLimits::default());
            assert!(serde_json::from_str::<Map<String, Value>>(&spec.config_json).is_ok(), "{}", spec.config_json);
            assert!(manifest.filters.len() <= FILTERS_MAX);
        }
        Err(error) => {
            message::check(&error.to_string());
            let text = String::from_utf8_lossy(bytes);
            let line = text.split('\n').nth(error.line - 1);
            let line = line.unwrap_or_else(|| panic!("{error}: there is no such line"));
            assert!((1..=line.chars().count() + 1).contains(&error.column), "{error}: there is no such column");
        }
    }
}
