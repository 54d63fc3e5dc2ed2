//! Write a plugbus plugin in a dozen lines, and test it without WebAssembly.
//!
//! A plugin is a type that implements [`Plugin`]: `new` gets the `[config]` table of its manifest, `handle` gets one event
//! after another. [`export!`] makes it the component's plugin.
//!
//! ```
//! use plugbus_sdk::prelude::*;
//!
//! #[derive(Deserialize)]
//! struct Shout { topic: String }
//!
//! impl Plugin for Shout {
//!     const FILTERS: &[&str] = &["chat.*"];
//!     type Config = Self;
//!     fn new(config: Self) -> Result<Self> { Ok(config) }
//!     fn handle(&mut self, event: Event) -> Result<Reply> {
//!         let line: String = event.json()?;
//!         publish(&self.topic, &line.to_uppercase())?;
//!         Ok(Reply::none())
//!     }
//! }
//! plugbus_sdk::export!(Shout);
//!
//! // A test needs no host and no wasm: `testing` plays the host.
//! let mut host = plugbus_sdk::testing::Host::<Shout>::new(json!({ "topic": "loud" }))?;
//! host.send(plugbus_sdk::testing::event("chat.room").json(&"hello"))?;
//! assert_eq!(host.published()[0].json::<String>()?, "HELLO");
//! assert!(host.send(plugbus_sdk::testing::event("chat.room").text("no JSON")).is_err());
//! # Ok::<(), Failure>(())
//! ```
//!
//! Build it as a `cdylib` for `wasm32-wasip2`, and drop the `.wasm` into the host's plugins folder.
//!
//! # Errors
//!
//! `handle` says no with a [`Failure`]: `retry` brings the event again later, `reject` makes it a dead letter at once. Any
//! ordinary error becomes one through `?`: bad JSON, a refused publish and the like are rejections, because a repetition
//! would fail the same way; failed I/O and HTTP is retried, and so is what the store refuses. [`Failure::retry`], [`Failure::retry_after`] and
//! [`Failure::reject`] say it outright. A panic is a fault: the host throws the instance away and retries on a new one.
//!
//! What a handler publishes leaves when it returns `Ok`, and only then.
//!
//! # State
//!
//! State in `self` lives from event to event, until the instance is replaced: on a reload, after a fault, when its memory
//! has grown over three quarters of the limit. What must last belongs into the [store](state).
//!
//! # Features
//!
//! * `http`: the module `http`, a client over `wasi:http`.

mod cloudevent;
mod event;
mod failure;
mod host;
mod json;
mod plugin;
mod publish;
mod slot;

#[cfg(feature = "http")]
pub mod http;
pub mod log;
pub mod state;
#[cfg(not(target_arch = "wasm32"))]
pub mod testing;
pub mod time;
pub mod topic;

pub use event::{Body, Event, Payload};
pub use failure::{Failure, Result};
pub use json::JsonError;
pub use plugin::{NoConfig, Plugin, Reply};
pub use publish::{Draft, PublishError, publish};

/// Everything a plugin usually needs: `use plugbus_sdk::prelude::*;`
pub mod prelude {
    pub use crate::{
        Body, Draft, Event, Failure, NoConfig, Payload, Plugin, PublishError, Reply, Result, log, publish,
    };
    pub use serde::{Deserialize, Serialize};
    pub use serde_json::{Value, json};
}

/// Makes a type that implements [`Plugin`] the plugin of this component. Once in a crate, outside of any function.
///
/// Natively it only checks the type, so that the crate can be built and tested without the wasm target.
#[cfg(not(target_arch = "wasm32"))]
#[macro_export]
macro_rules! export {
    ($plugin:ty) => {
        const _: () = $crate::__private::check::<$plugin>();
    };
}

/// Makes a type that implements [`Plugin`] the plugin of this component. Once in a crate, outside of any function.
#[cfg(target_arch = "wasm32")]
#[macro_export]
macro_rules! export {
    ($plugin:ty) => {
        const _: () = {
            ::std::thread_local! {
                static SLOT: $crate::__private::Slot<$plugin> = const { $crate::__private::Slot::new() };
            }
            struct Component;
            impl $crate::__private::Guest for Component {
                fn init(config: ::std::string::String) -> $crate::__private::InitResult {
                    SLOT.with(|slot| $crate::__private::init(slot, &config))
                }
                fn handle(event: $crate::__private::GuestEvent) -> $crate::__private::HandleResult {
                    SLOT.with(|slot| $crate::__private::handle(slot, event))
                }
            }
    $crate::__private::export_component!(Component with_types_in $crate::__private::bindings);
        };
    };
}

/// What [`export!`] expands to. Not part of the API.
#[doc(hidden)]
pub mod __private {
    pub use crate::slot::Slot;

    #[cfg(target_arch = "wasm32")]
    pub use crate::host::exports::*;

    /// Checks at compile time that the type is a plugin.
    pub const fn check<P: crate::Plugin>() {}
}
