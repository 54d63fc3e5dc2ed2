//! An event as a WebSocket or Socket.IO peer gives it: a topic, and JSON data.

use plugbus_bus::{Draft, JSON, Payload, Topic};

use crate::problem::Problem;

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct NewEvent {
    pub(crate) topic: String,
    /// JSON text.
    pub(crate) data: Option<String>,
    pub(crate) source: Option<String>,
    pub(crate) subject: Option<String>,
    pub(crate) id: Option<String>,
}

impl NewEvent {
    /// The draft of it.
    ///
    /// # Errors
    /// 400 where the topic is none. The rest is checked when it is published.
    pub(crate) fn draft(self) -> Result<Draft, Problem> {
        let topic = Topic::parse(&self.topic).map_err(|error| Problem::bad_request(format!("topic {error}")))?;
        let mut draft = Draft::new(topic);
        draft.id = self.id.map(Into::into);
        draft.source = self.source.map(Into::into);
        draft.subject = self.subject.map(Into::into);
        Ok(match self.data {
            Some(data) => draft.payload(Payload::new(JSON, data)),
            None => draft,
        })
    }
}
