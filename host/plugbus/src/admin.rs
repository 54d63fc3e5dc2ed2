//! What the gateway asks of the host: [`Admin`] over loader and journal.

use std::sync::{Arc, OnceLock, Weak};

use plugbus_bus::BoxFuture;
use plugbus_gateway::{Action, Admin, AdminError, Check, Done, Family, Upload};
use plugbus_loader::{Loader, Reload, ReloadError};
use serde::Serialize;
use serde_json::{Value, json};

use crate::report::chain;
use crate::socket::{Services, past};

mod figures;
mod files;

type Result<T> = std::result::Result<T, AdminError>;

/// The host behind its gateway. It is there before the plugins are: until [`HostAdmin::begin`] it answers that it is starting.
#[derive(Default)]
pub(crate) struct HostAdmin {
    /// Weak: what serves the socket holds the gateway, and so this.
    services: OnceLock<Weak<Services>>,
}

impl HostAdmin {
    /// From here on it answers.
    pub(crate) fn begin(&self, services: &Arc<Services>) {
        // It begins once; a second time would change nothing.
        drop(self.services.set(Arc::downgrade(services)));
    }

    fn services(&self) -> Result<Arc<Services>> {
        let weak = self.services.get().ok_or_else(|| AdminError::Stopping("the host is starting".into()))?;
        weak.upgrade().ok_or_else(|| AdminError::Stopping("the host has stopped".into()))
    }

    fn loader(&self) -> Result<Loader> {
        let none = || AdminError::Missing("this host serves no plugins folder".into());
        self.services()?.loader.clone().ok_or_else(none)
    }
}

impl Admin for HostAdmin {
    fn plugins(&self) -> Result<Vec<Value>> {
        self.loader()?.plugins().iter().map(value).collect()
    }

    fn plugin(&self, name: &str) -> Result<Value> {
        match self.loader()?.plugin(name) {
            Some(plugin) => value(&plugin),
            None => Err(refused(&ReloadError::NotFound { name: name.chars().take(100).collect() })),
        }
    }

    fn act<'a>(&'a self, name: &'a str, action: Action) -> BoxFuture<'a, Result<Done>> {
        Box::pin(async move {
            let loader = self.loader()?;
            match action {
                Action::Reload => reloaded(name, loader.reload(name).await),
                Action::Pause => {
                    loader.pause(name).map_err(|error| refused(&error))?;
                    Ok(done(format!("{name} paused; its events wait")))
                }
                Action::Resume => {
                    loader.resume(name).map_err(|error| refused(&error))?;
                    Ok(done(format!("{name} resumed")))
                }
            }
        })
    }

    fn upload<'a>(&'a self, name: &'a str, upload: Upload) -> BoxFuture<'a, Result<Done>> {
        Box::pin(async move { files::upload(&self.loader()?, name, upload).await })
    }

    fn remove<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Done>> {
        Box::pin(async move { files::remove(&self.loader()?, name).await })
    }

    fn stats(&self) -> Value {
        let Ok(services) = self.services() else { return json!({}) };
        json!({
            "plugins": services.loader.as_ref().map(|loader| json!(loader.stats())),
            "journal": services.journal.as_ref().map(|journal| past::stats(&services, &journal.stats())),
            "socket": services.socket_stats(),
            "spool": services.taker.as_ref().map(|taker| json!(taker.stats())),
            "otlp": services.tracer.as_ref().map(|tracer| json!(tracer.stats())),
        })
    }

    fn metrics(&self) -> Vec<Family> {
        self.services().map(|services| figures::families(&services)).unwrap_or_default()
    }

    fn checks(&self) -> Vec<Check> {
        let check = |name, trouble: Option<String>| Check { name, ok: trouble.is_none(), detail: trouble };
        let services = match self.services() {
            Ok(services) => services,
            Err(error) => return vec![check("host", Some(error.to_string()))],
        };
        let mut checks = Vec::new();
        if let Some(journal) = &services.journal {
            checks.push(check("journal", journal.stats().trouble));
        }
        if let Some(loader) = &services.loader {
            let never = loader.stats().scans == 0;
            checks.push(check("plugins", never.then(|| "the plugins folder has not been looked through yet".into())));
        }
        checks
    }
}

/// What came of a reload, in words.
fn reloaded(name: &str, reload: std::result::Result<Reload, ReloadError>) -> Result<Done> {
    match reload.map_err(|error| refused(&error))? {
        Reload::Loaded { generation } => Ok(done(format!("{name} loaded, generation {generation}"))),
        Reload::Swapped { from, to } => Ok(done(format!("{name} reloaded, generation {to} took over from {from}"))),
        Reload::KeptOld { generation, cause } => {
            Err(AdminError::Refused(format!("{name} was refused, generation {generation} goes on: {cause}")))
        }
        Reload::Rejected { cause } => Err(AdminError::Refused(format!("{name} was refused: {cause}"))),
    }
}

fn done(message: String) -> Done {
    Done { message }
}

fn refused(error: &ReloadError) -> AdminError {
    let text = chain(error);
    match error {
        ReloadError::NotFound { .. } => AdminError::Missing(text),
        ReloadError::Stopped => AdminError::Stopping(text),
        _ => AdminError::Failed(text),
    }
}

fn value<T: Serialize>(of: &T) -> Result<Value> {
    serde_json::to_value(of).map_err(|error| AdminError::Failed(chain(&error)))
}
