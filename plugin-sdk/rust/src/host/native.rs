//! The host's part, natively: a recorder on the thread that [`crate::testing::Host`] puts in place around each call.

use std::cell::RefCell;

use crate::log::Level;
use crate::testing::Recorder;
use crate::{Payload, PublishError};

thread_local! {
    static CURRENT: RefCell<Option<Recorder>> = const { RefCell::new(None) };
}

/// Runs `call` with the recorder in place of the host. A panic in `call` loses the recorder, not the thread.
pub(crate) fn with_recorder<R>(recorder: &mut Recorder, call: impl FnOnce() -> R) -> R {
    CURRENT.set(Some(std::mem::take(recorder)));
    let result = call();
    *recorder = CURRENT.take().unwrap_or_default();
    result
}

pub(crate) fn publish(
    topic: String,
    payload: Payload,
    extensions: Vec<(String, String)>,
) -> Result<String, PublishError> {
    CURRENT.with_borrow_mut(|current| match current {
        Some(recorder) => recorder.publish(topic, payload, extensions),
        None => Err(PublishError::Denied("no event is being handled; use `plugbus_sdk::testing::Host`".into())),
    })
}

/// Without a testing host a line has nowhere to go but stderr.
pub(crate) fn log(level: Level, context: &str, message: &str) {
    CURRENT.with_borrow_mut(|current| match current {
        Some(recorder) => recorder.log(level, context, message),
        None => eprintln!("{level:?} {context}: {message}"),
    });
}

/// Takes the request out to the fake server, which may itself publish or log: nothing is borrowed meanwhile.
#[cfg(feature = "http")]
pub(crate) fn http(request: crate::http::Request) -> Result<crate::http::Response, crate::http::HttpError> {
    use crate::http::HttpError;

    let server = CURRENT.with_borrow_mut(|current| current.as_mut().and_then(Recorder::take_http_server));
    let Some(mut server) = server else {
        return Err(HttpError::Denied("no server: give the testing host one with `Host::http`".into()));
    };
    let answer = server(&request);
    CURRENT.with_borrow_mut(|current| {
        if let Some(recorder) = current {
            recorder.record_http(request, server);
        }
    });
    answer
}
