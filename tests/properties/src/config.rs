//! The host's configuration.

use std::path::Path;

use plugbus::config::{Config, ConfigError};

use crate::message;

/// Lines that are tried as flags: more say nothing new and take time.
const FLAGS_MAX: usize = 8;

/// A configuration is taken, and is the same when it is written and read again, or refused with its place. The first lines
/// with a `=` are tried as flags too.
pub fn config(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    match read(text) {
        Ok(config) => check_same(&config),
        Err(error) => check_error(&error, "plugbus.toml:"),
    }
    for (key, value) in text.lines().filter_map(|line| line.split_once('=')).take(FLAGS_MAX) {
        let mut config = Config::default();
        match config.set(key, value, "--flag") {
            Ok(()) => check_same(&config),
            Err(error) => {
                check_error(&error, "--flag: ");
                assert_eq!(config, Config::default(), "what is refused changes nothing");
            }
        }
    }
}

fn read(text: &str) -> Result<Config, ConfigError> {
    Config::from_toml(text, Path::new("plugbus.toml"))
}

fn check_same(config: &Config) {
    let text = toml::to_string(config).unwrap();
    assert_eq!(&read(&text).unwrap_or_else(|error| panic!("{error} in {text}")), config);
}

fn check_error(error: &ConfigError, place: &str) {
    let text = plugbus::report::chain(error);
    assert!(text.starts_with(place), "{text}");
    message::check(&text);
}
