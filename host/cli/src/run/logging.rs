//! The daemon's log: structured, to stderr.

use std::io::{self, IsTerminal};

use plugbus::config::{Log, LogFormat};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

use crate::failure::Failure;
use crate::place;

/// Sets the log up, once for the process.
pub(super) fn start(log: &Log) -> Result<(), Failure> {
    let refused = |problem: String| {
        Failure::usage(format!(
            "log level `{}` is none: {problem}; write error, warn, info, debug, trace, or directives such as info,plugbus_loader=debug",
            log.level.escape_debug()
        ))
    };
    if let Some(word) = no_level(&log.level) {
        return Err(refused(format!("`{}` is no level", word.escape_debug())));
    }
    let filter = EnvFilter::builder().parse(directives(&log.level)).map_err(|error| refused(error.to_string()))?;
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr);
    let started = match log.format {
        LogFormat::Text => builder.with_ansi(io::stderr().is_terminal() && place::wants_colour()).try_init(),
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
    };
    started.map_err(|error| Failure::new(format!("cannot start the log: {error}")))
}

/// What the engine says of each request of a plugin that fails: as often as the plugin likes. The plugin is told, and what it makes of
/// that is counted and logged by us.
const REQUESTS: &str = "wasmtime_wasi_http";

/// The user's directives, after one that leaves out [`REQUESTS`]; where they name it themselves, theirs counts. Without any the filter has
/// a default of its own. Pure.
fn directives(level: &str) -> String {
    if level.is_empty() { String::new() } else { format!("{REQUESTS}=error,{level}") }
}

/// The first directive that is a lone word and no level. The filter would take it for the name of a part of the program,
/// and show nothing but that part: with `verbose` there would be no log at all. Directives about spans are left alone. Pure.
fn no_level(directives: &str) -> Option<&str> {
    let words = directives.split(',').map(str::trim).filter(|word| !word.is_empty() && !directives.contains('['));
    words.into_iter().find(|word| !word.contains('=') && word.parse::<LevelFilter>().is_err())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lone_word_must_be_a_level() {
        for good in ["info", "OFF", "2", "info,plugbus_loader=debug", " warn , a=trace", "", "[span{x=1}]=debug", "a=b"]
        {
            assert_eq!(no_level(good), None, "{good}");
        }
        for (bad, word) in
            [("verbose", "verbose"), ("infoo,a=debug", "infoo"), ("info,plugbus_loader", "plugbus_loader")]
        {
            assert_eq!(no_level(bad), Some(word));
        }
    }
}
