//! `plugbus hook install`: the hooks in an agent's settings file.

use std::env;
use std::fs::{self, Permissions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf, absolute};
use std::process::ExitCode;

use plugbus::config::Config;
use plugbus::socket::PATH_BYTES_MAX;
use plugbus::socket::client::Client;
use plugbus::socket::protocol::{Request, Response};
use serde_json::json;

use super::settings::{self, EVENTS, SettingsError};
use crate::args::{Agent, Global, Install};
use crate::failure::{Failure, Outcome, chain, say};
use crate::{output, place};

/// Bytes of a settings file; a longer one is none.
const FILE_BYTES_MAX: u64 = 16 << 20;
/// The project's settings, and the user's under the home folder.
const FILE: &str = ".claude/settings.json";

/// Prints, writes or removes.
pub(super) fn install(global: &Global, args: &Install) -> Outcome {
    let Agent::ClaudeCode = args.agent;
    if !args.write && !args.remove {
        let block = settings::block(&command(global, args)?)?;
        output::bytes(block.as_bytes())?;
        return Ok(ExitCode::SUCCESS);
    }
    let file = file(args)?;
    let before = read(&file)?;
    let text = before.as_deref().unwrap_or("{}\n");
    let changed = if args.remove { settings::remove(text) } else { settings::merge(text, &command(global, args)?) };
    let changed = changed.map_err(|error| refused(&file, &error))?;
    if let Some(changed) = &changed {
        write(&file, before.as_deref(), changed)?;
    }
    let said = match (&changed, args.remove) {
        (None, true) => "no hook of `plugbus hook` is there".to_owned(),
        (None, false) => "the hooks are there already".to_owned(),
        (Some(_), true) => "the hooks are removed".to_owned(),
        (Some(_), false) => format!("hooks for {} events are written", EVENTS.len()),
    };
    if global.json {
        output::json(&json!({ "file": file, "changed": changed.is_some() }))?;
    } else {
        output::line(&format!("{}: {said}", file.display()))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn refused(file: &Path, error: &SettingsError) -> Failure {
    Failure::new(format!("{}: {}; mend it first, nothing was changed", file.display(), chain(error)))
}

/// The settings file that is meant; through links, which stay.
fn file(args: &Install) -> Result<PathBuf, Failure> {
    let file = match (&args.file, args.project) {
        (Some(file), _) => file.clone(),
        (None, true) => FILE.into(),
        (None, false) => {
            let home = env::home_dir().filter(|home| !home.as_os_str().is_empty());
            home.ok_or_else(|| Failure::usage("there is no home folder: name the settings with --file"))?.join(FILE)
        }
    };
    match fs::canonicalize(&file) {
        Ok(real) => Ok(real),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(file),
        Err(error) => Err(Failure::doing(format!("cannot use {}", file.display()), &error)),
    }
}

/// What is in it; `None` where it is not there.
fn read(file: &Path) -> Result<Option<String>, Failure> {
    let failed = |error: &dyn std::error::Error| Failure::doing(format!("cannot read {}", file.display()), error);
    let found = match fs::metadata(file) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        other => other.map_err(|error| failed(&error))?,
    };
    if !found.is_file() || found.len() > FILE_BYTES_MAX {
        let message = format!("{} is no file of at most {FILE_BYTES_MAX} bytes", file.display());
        return Err(Failure::new(message));
    }
    fs::read_to_string(file).map(Some).map_err(|error| failed(&error))
}

/// Puts the new text in the place of the old in one step, with its mode; unless somebody else has changed it meanwhile.
fn write(file: &Path, before: Option<&str>, text: &str) -> Result<(), Failure> {
    let failed = |error: std::io::Error| Failure::doing(format!("cannot write {}", file.display()), &error);
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::create_dir_all(folder).map_err(failed)?;
    let mut new = tempfile::NamedTempFile::new_in(folder).map_err(failed)?;
    new.write_all(text.as_bytes()).map_err(failed)?;
    let mode = match fs::metadata(file) {
        Ok(found) => found.permissions().mode() & 0o7777,
        Err(_) => 0o600,
    };
    new.as_file().set_permissions(Permissions::from_mode(mode)).map_err(failed)?;
    new.as_file().sync_all().map_err(failed)?;
    if read(file)?.as_deref() != before {
        let message = format!("{} has changed meanwhile; nothing was written, try again", file.display());
        return Err(Failure::new(message));
    }
    new.persist(file).map_err(|error| failed(error.error))?;
    Ok(())
}

/// What each hook runs.
fn command(global: &Global, args: &Install) -> Result<String, Failure> {
    let config = place::hook_config(global, &args.folder.data_dir);
    let socket = place::given(&global.socket).unwrap_or_else(|| place::default_socket(&config));
    let socket = full(&socket)?;
    if socket.len() > PATH_BYTES_MAX {
        let message = format!(
            "the socket's full path {socket} has {} bytes; the system allows {PATH_BYTES_MAX}: name a shorter one with --socket, and to the daemon too",
            socket.len()
        );
        return Err(Failure::usage(message));
    }
    let mut command = format!("{} hook --socket {}", quoted(&program()?), quoted(&socket));
    match data_dir(&config, &socket) {
        Some(folder) => command.push_str(&format!(" --data-dir {}", quoted(&full(&folder)?))),
        None => say(
            "no data folder is known, so what happens while no daemon runs is lost: name it with --data-dir, or start the daemon first",
        ),
    }
    Ok(command)
}

/// The data folder that is named, or that of the daemon that answers, or the one that is here.
fn data_dir(config: &Config, socket: &str) -> Option<PathBuf> {
    let default = Config::default().data_dir;
    if config.data_dir != default {
        return Some(config.data_dir.clone());
    }
    let pong = Client::connect(socket).and_then(|mut client| client.call(&Request::Ping {}));
    match pong {
        Ok(Response::Pong { spool: Some(spool), .. }) => spool.parent().map(Path::to_owned),
        _ => default.is_dir().then_some(default),
    }
}

/// The name that the shell finds this program by, else its full path.
fn program() -> Result<String, Failure> {
    let this = env::current_exe().map_err(|error| Failure::doing("cannot tell where this program is", &error))?;
    let name = Path::new("plugbus");
    let paths = env::var_os("PATH").unwrap_or_default();
    let found = env::split_paths(&paths).map(|folder| folder.join(name)).find(|path| path.is_file());
    let is_this = found.is_some_and(|found| fs::canonicalize(found).ok() == fs::canonicalize(&this).ok());
    if is_this { Ok("plugbus".into()) } else { full(&this) }
}

/// A full path as text, as it must stand in JSON.
fn full(path: &Path) -> Result<String, Failure> {
    let full = absolute(path).map_err(|error| Failure::doing(format!("cannot use {}", path.display()), &error))?;
    let text = full.into_os_string().into_string();
    text.map_err(|path| Failure::new(format!("{} is not UTF-8, which a settings file is", path.display())))
}

/// A word for the shell. Pure.
fn quoted(word: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/._-+:@%,".contains(&byte);
    if !word.is_empty() && word.bytes().all(is_plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_quoted_where_a_shell_would_take_them_apart() {
        assert_eq!(quoted("/run/user/1000/plugbus.sock"), "/run/user/1000/plugbus.sock");
        assert_eq!(quoted("/home/a b/it's"), r"'/home/a b/it'\''s'");
        assert_eq!(quoted(""), "''");
    }
}
