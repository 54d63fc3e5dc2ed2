//! The host's part, natively: a recorder on the thread that [`crate::testing::Host`] puts in place around each call.

use std::cell::RefCell;

use crate::log::Level;
use crate::state::StateError;
use crate::testing::{Recorder, Store, bucket_name};
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

/// A bucket in the testing host's store.
#[derive(Debug)]
pub(crate) struct Handle(String);

impl Handle {
    pub(crate) fn open(name: &str) -> Result<Self, StateError> {
        bucket_name(name).map(Self)
    }

    pub(crate) fn get(&self, key: &str) -> Result<Option<Vec<u8>>, StateError> {
        with_store(|store| Ok(store.get(&self.0, key)?.map(<[u8]>::to_vec)))
    }

    pub(crate) fn set(&self, key: &str, value: &[u8]) -> Result<(), StateError> {
        with_store(|store| store.set(&self.0, key, value))
    }

    pub(crate) fn exists(&self, key: &str) -> Result<bool, StateError> {
        with_store(|store| Ok(store.get(&self.0, key)?.is_some()))
    }

    pub(crate) fn delete(&self, key: &str) -> Result<(), StateError> {
        with_store(|store| store.delete(&self.0, key))
    }

    pub(crate) fn increment(&self, key: &str, delta: u64) -> Result<u64, StateError> {
        with_store(|store| store.increment(&self.0, key, delta))
    }

    pub(crate) fn keys(&self) -> Result<Vec<String>, StateError> {
        with_store(|store| Ok(store.keys(&self.0)))
    }

    /// Those that there are.
    pub(crate) fn get_many(&self, keys: &[String]) -> Result<Vec<(String, Vec<u8>)>, StateError> {
        let one = |key: &String| Ok(self.get(key)?.map(|value| (key.clone(), value)));
        keys.iter().filter_map(|key| one(key).transpose()).collect()
    }
}

fn with_store<R>(call: impl FnOnce(&mut Store) -> Result<R, StateError>) -> Result<R, StateError> {
    CURRENT.with_borrow_mut(|current| match current {
        Some(recorder) => call(recorder.store()?),
        None => Err(StateError::Refused("no event is being handled; use `plugbus_sdk::testing::Host`".into())),
    })
}
