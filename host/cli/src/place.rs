//! Where the daemon is: flag, variable, named configuration file, default. The only place beside clap that reads the
//! environment.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use plugbus::config::{Config, keys};
use plugbus::socket::client::{Client, ClientError};
use plugbus::socket::protocol::{Request, Response};

use crate::args::Global;
use crate::failure::{Failure, chain, say};

/// The configuration file that a daemon reads when none is named.
const CONFIG_FILE: &str = "plugbus.toml";

/// Connects to the daemon.
pub(crate) fn connect(global: &Global) -> Result<Client, Failure> {
    Ok(Client::connect(socket(global)?)?)
}

/// Sends one request to the daemon.
pub(crate) fn call(global: &Global, request: &Request) -> Result<Response, Failure> {
    Ok(connect(global)?.call(request)?)
}

/// The answer was of another kind than the request has.
pub(crate) fn unexpected(global: &Global) -> Failure {
    let path = socket(global).unwrap_or_default();
    ClientError::Unexpected { path }.into()
}

/// The path of the daemon's socket. A configuration file is read only when it is named: a hook must not be led astray by
/// a `plugbus.toml` that lies in somebody's repository.
pub(crate) fn socket(global: &Global) -> Result<PathBuf, Failure> {
    if let Some(given) = given(&global.socket) {
        return Ok(given);
    }
    let mut config = match given(&global.config) {
        Some(file) => Config::read(&file)?,
        None => Config::default(),
    };
    if let Some(folder) = variable("PLUGBUS_DATA_DIR") {
        config.data_dir = folder.into();
    }
    Ok(default_socket(&config))
}

/// What a hook goes by: the file that is named, the data folder that is named, and the variables that bound it. What is wrong
/// there is said, and the hook goes on without it.
pub(crate) fn hook_config(global: &Global, data_dir: &Option<OsString>) -> Config {
    let read = given(&global.config).map(|file| Config::read(&file)).transpose();
    let mut config = read.unwrap_or_else(|error| {
        say(&chain(&error));
        None
    });
    let config = config.get_or_insert_default();
    for name in ["events.data_bytes_max", "spool.bytes_max", "spool.events_max"] {
        let Some(key) = keys::find(name) else { continue };
        if let Some(value) = variable(key.env)
            && let Err(error) = config.set(name, &value.to_string_lossy(), key.env)
        {
            say(&chain(&error));
        }
    }
    if let Some(folder) = given(data_dir) {
        config.data_dir = folder;
    }
    config.clone()
}

/// The configuration of a daemon that is started here: the file that is named, else the one that lies here, else defaults.
pub(crate) fn configured(global: &Global) -> Result<Config, Failure> {
    let found = || Path::new(CONFIG_FILE).exists().then(|| PathBuf::from(CONFIG_FILE));
    match given(&global.config).or_else(found) {
        Some(file) => Ok(Config::read(&file)?),
        None => Ok(Config::default()),
    }
}

/// What decides where `check` and `inspect` keep compiled code: the file and the data folder that are named.
pub(crate) fn cache_config(global: &Global) -> Result<Config, Failure> {
    let read = given(&global.config).map(|file| Config::read(&file)).transpose()?;
    let mut config = read.unwrap_or_default();
    for name in ["data_dir", "sandbox.compile_cache"] {
        let Some(key) = keys::find(name) else { continue };
        if let Some(value) = variable(key.env) {
            config.set(name, &value.to_string_lossy(), key.env)?;
        }
    }
    Ok(config)
}

/// The folder for what a user's programs may make again: the one that is named, or the usual one. None where there is no home.
pub(crate) fn user_cache() -> Option<PathBuf> {
    // A relative one counts as not set, says the specification of base directories.
    let named = variable("XDG_CACHE_HOME").map(PathBuf::from).filter(|folder| folder.is_absolute());
    named.or_else(|| Some(PathBuf::from(variable("HOME")?).join(".cache")))
}

/// The socket of a configuration that may name none.
pub(crate) fn default_socket(config: &Config) -> PathBuf {
    match (&config.socket, variable("XDG_RUNTIME_DIR")) {
        (None, Some(folder)) => Path::new(&folder).join("plugbus.sock"),
        _ => config.socket_path(),
    }
}

/// A path that was given and is not empty: a variable that is set to nothing counts as not set.
pub(crate) fn given(path: &Option<OsString>) -> Option<PathBuf> {
    path.as_ref().filter(|path| !path.is_empty()).map(PathBuf::from)
}

fn variable(name: &str) -> Option<OsString> {
    env::var_os(name).filter(|value| !value.is_empty())
}

/// Whether whoever reads stderr wants colours there, if it is a terminal at all.
pub(crate) fn wants_colour() -> bool {
    variable("NO_COLOR").is_none() && variable("TERM").is_none_or(|term| term != "dumb")
}

/// What begins like one of our variables and is none, with the one that was meant, perhaps: to be ignored, but not in
/// silence.
pub(crate) fn unknown_variables() -> Vec<(String, Option<&'static str>)> {
    let names = env::vars_os().filter_map(|(name, _)| name.into_string().ok());
    let mut unknown: Vec<_> =
        names.filter_map(|name| Some((nearest(&name)?, name))).map(|(near, name)| (name, near)).collect();
    unknown.sort();
    unknown
}

/// `None` for a variable that is ours or somebody else's; else the nearest of ours, if one is near. Pure.
fn nearest(name: &str) -> Option<Option<&'static str>> {
    let ours = name.strip_prefix("PLUGBUS_")?;
    if name == "PLUGBUS_CONFIG" || keys::KEYS.iter().any(|key| key.env == name) {
        return None;
    }
    let found = keys::nearest(&ours.to_lowercase()).and_then(keys::find);
    Some(found.map(|key| key.env))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mistyped_variable_is_told_from_ours_and_from_somebody_elses() {
        for fine in ["PATH", "PLUGBUS", "PLUGBUS_CONFIG", "PLUGBUS_SOCKET", "PLUGBUS_LOADER_RESCAN_MS"] {
            assert_eq!(nearest(fine), None, "{fine}");
        }
        assert_eq!(nearest("PLUGBUS_LOADER_RESCAN"), Some(Some("PLUGBUS_LOADER_RESCAN_MS")));
        assert_eq!(nearest("PLUGBUS_PLUGIN_DIR"), Some(Some("PLUGBUS_PLUGINS_DIR")));
        assert_eq!(nearest("PLUGBUS_QQQQ"), Some(None));
    }
}
