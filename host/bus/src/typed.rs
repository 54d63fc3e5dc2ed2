//! Events as Rust types: one type, one topic, JSON in between.

use std::future::Future;
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::control::Subscription;
use crate::event::{Draft, Event};
use crate::handle::Bus;
use crate::handler::{Failure, HandlerError, IntoOutcome};
use crate::subscribe::{Subscribe, SubscribeError};
use crate::topic::TopicError;

/// A type that is published on one topic as JSON.
pub trait TypedEvent: Serialize + DeserializeOwned + Send + 'static {
    /// The topic.
    const TOPIC: &'static str;
}

/// Why a typed event could not be made into a draft.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TypedError {
    /// Its topic is malformed.
    #[error("topic {0}")]
    Topic(#[from] TopicError),
    /// It has no JSON form.
    #[error("value has no JSON form")]
    Json(#[from] serde_json::Error),
}

impl Draft {
    /// A draft of a typed event.
    ///
    /// # Errors
    /// [`TypedError`].
    pub fn typed<T: TypedEvent>(value: &T) -> Result<Self, TypedError> {
        Ok(Event::draft(T::TOPIC)?.json(value)?)
    }
}

impl Bus {
    /// Starts to subscribe to a type; go on with [`Subscribe::on_typed`].
    pub fn subscribe_typed<T: TypedEvent>(&self) -> Subscribe {
        self.subscribe(T::TOPIC)
    }
}

impl Subscribe {
    /// Handles events as values of a type. Data that does not fit the type is rejected (a dead letter), not retried.
    ///
    /// # Errors
    /// [`SubscribeError`].
    pub fn on_typed<T, F, R>(self, handler: F) -> Result<Subscription, SubscribeError>
    where
        T: TypedEvent,
        F: Fn(T) -> R + Send + Sync + 'static,
        R: Future<Output: IntoOutcome> + Send + 'static,
    {
        let handler = Arc::new(handler);
        self.on(move |delivery| {
            let handler = handler.clone();
            async move {
                let value: T = delivery.event.payload.parse().map_err(|error| {
                    HandlerError::from(Failure::reject(format!("data is no {}: {error}", T::TOPIC)))
                })?;
                handler(value).await.into_outcome()
            }
        })
    }
}
