//! Plugins: list, show, reload, pause, resume, rescan.

use plugbus_loader::{Loader, Reload, ReloadError};

use super::super::Services;
use super::super::protocol::{ErrorCode, ErrorLine, Response};
use super::{Result, failed, to_value};
use crate::report::chain;

pub(super) fn list(services: &Services) -> Result<Response> {
    let plugins = loader(services)?.plugins().iter().map(to_value).collect::<Result<_>>()?;
    Ok(Response::Plugins { plugins })
}

pub(super) fn show(services: &Services, name: &str) -> Result<Response> {
    match loader(services)?.plugin(name) {
        Some(plugin) => Ok(Response::Plugin(to_value(&plugin)?)),
        None => Err(refused(&ReloadError::NotFound { name: name.chars().take(100).collect() })),
    }
}

pub(super) async fn reload(services: &Services, name: &str) -> Result<Response> {
    let reload = loader(services)?.reload(name).await.map_err(|error| refused(&error))?;
    match reload {
        Reload::Loaded { generation } => Ok(done(format!("{name} loaded, generation {generation}"))),
        Reload::Swapped { from, to } => Ok(done(format!("{name} reloaded, generation {to} took over from {from}"))),
        Reload::KeptOld { generation, cause } => {
            let message = format!("{name} was refused, generation {generation} goes on: {cause}");
            Err(ErrorLine::new(ErrorCode::Failed, message))
        }
        Reload::Rejected { cause } => Err(ErrorLine::new(ErrorCode::Failed, format!("{name} was refused: {cause}"))),
    }
}

pub(super) fn pause(services: &Services, name: &str) -> Result<Response> {
    loader(services)?.pause(name).map_err(|error| refused(&error))?;
    Ok(done(format!("{name} paused; its events wait")))
}

pub(super) fn resume(services: &Services, name: &str) -> Result<Response> {
    loader(services)?.resume(name).map_err(|error| refused(&error))?;
    Ok(done(format!("{name} resumed")))
}

pub(super) async fn rescan(services: &Services) -> Result<Response> {
    let loader = loader(services)?;
    loader.rescan().await.map_err(|error| failed(&error))?;
    let plugins = loader.plugins();
    let refused = plugins.iter().filter(|plugin| plugin.last_rejection.is_some()).count();
    let count = plugins.len();
    let plural = if count == 1 { "" } else { "s" };
    let why = if refused == 0 { "" } else { "; `plugbus plugins` says why" };
    Ok(done(format!("{count} plugin{plural}, {refused} refused{why}")))
}

fn loader(services: &Services) -> Result<&Loader> {
    let none = || ErrorLine::new(ErrorCode::NotFound, "this host serves no plugins folder");
    services.loader.as_ref().ok_or_else(none)
}

fn refused(error: &ReloadError) -> ErrorLine {
    let code = match error {
        ReloadError::NotFound { .. } => ErrorCode::NotFound,
        ReloadError::Stopped => ErrorCode::Stopping,
        _ => ErrorCode::Failed,
    };
    ErrorLine::new(code, chain(error))
}

fn done(message: String) -> Response {
    Response::Done { message }
}
