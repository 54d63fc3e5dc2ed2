//! Ticks: what tells a plugin that time has passed. One task for each generation whose manifest asks for it.

use std::time::Duration;

use plugbus_bus::{Control, Topic};
use serde_json::json;
use tokio::task::AbortHandle;
use tokio::time::{Instant, MissedTickBehavior, interval_at};

use crate::name::PluginName;

/// What ticks; ends when dropped.
pub(crate) struct Ticker(AbortHandle);

impl Ticker {
    /// Gives the plugin a tick every so often, from now on. Where one is still on its way, or the plugin is paused or suspended,
    /// there is none, so that they never pile up.
    pub(crate) fn start(control: Control, plugin: &PluginName, every: Duration) -> Option<Self> {
        let topic = match Topic::parse(format!("plugbus.tick.{plugin}")) {
            Ok(topic) => topic,
            Err(error) => {
                tracing::error!(%plugin, %error, "no ticks: its name is no token of a topic");
                return None;
            }
        };
        let every_ms = u64::try_from(every.as_millis()).unwrap_or(u64::MAX);
        // While the runtime shuts down there is nothing left to tick for.
        let runtime = tokio::runtime::Handle::try_current().ok()?;
        let ticking = runtime.spawn(async move {
            let mut interval = interval_at(Instant::now() + every, every);
            interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
            while !control.is_ended() {
                interval.tick().await;
                control.tick(topic.clone(), &json!({ "every_ms": every_ms }));
            }
        });
        Some(Self(ticking.abort_handle()))
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.0.abort();
    }
}
