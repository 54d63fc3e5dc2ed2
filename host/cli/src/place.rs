//! Where the daemon is: flag, variable, named configuration file, default. The only place beside clap that reads the
//! environment.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use plugbus::config::Config;
use plugbus::socket::client::{Client, ClientError};
use plugbus::socket::protocol::{Request, Response};

use crate::args::Global;
use crate::failure::Failure;

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
