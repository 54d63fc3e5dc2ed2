//! The store in a component: `wasi:keyvalue`.

use bindings::wasi::keyvalue::{atomics, batch, store};

use super::{Pair, StateError};

/// What wit-bindgen makes of `wit/deps/keyvalue`. What of it is not called is not imported.
#[allow(
    unsafe_code,
    missing_docs,
    unreachable_pub,
    dead_code,
    clippy::all,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "generated code: crossing the border of a component takes raw pointers"
)]
mod bindings {
    wit_bindgen::generate!({
        path: "../../wit",
        world: "wasi:keyvalue/imports",
        generate_all,
    });
}

/// An open bucket.
#[derive(Debug)]
pub(super) struct Handle(store::Bucket);

impl Handle {
    pub(super) fn open(name: &str) -> Result<Self, StateError> {
        store::open(name).map(Self).map_err(|error| match error {
            store::Error::NoSuchStore => StateError::NoSuchBucket(name.to_owned()),
            error => refused(error),
        })
    }

    pub(super) fn get(&self, key: &str) -> Result<Option<Vec<u8>>, StateError> {
        self.0.get(key).map_err(refused)
    }

    pub(super) fn set(&self, key: &str, value: &[u8]) -> Result<(), StateError> {
        self.0.set(key, value).map_err(refused)
    }

    pub(super) fn exists(&self, key: &str) -> Result<bool, StateError> {
        self.0.exists(key).map_err(refused)
    }

    pub(super) fn delete(&self, key: &str) -> Result<(), StateError> {
        self.0.delete(key).map_err(refused)
    }

    pub(super) fn increment(&self, key: &str, delta: u64) -> Result<u64, StateError> {
        atomics::increment(&self.0, key, delta).map_err(refused)
    }

    pub(super) fn keys(&self) -> Result<Vec<String>, StateError> {
        let mut keys = Vec::new();
        let mut cursor = None;
        loop {
            let mut page = self.0.list_keys(cursor).map_err(refused)?;
            keys.append(&mut page.keys);
            match page.cursor {
                Some(next) => cursor = Some(next),
                None => return Ok(keys),
            }
        }
    }

    /// Those that there are.
    pub(super) fn get_many(&self, keys: &[String]) -> Result<Vec<Pair>, StateError> {
        Ok(batch::get_many(&self.0, keys).map_err(refused)?.into_iter().flatten().collect())
    }
}

fn refused(error: store::Error) -> StateError {
    StateError::Refused(match error {
        store::Error::Other(text) => text,
        store::Error::NoSuchStore => "there is no such store".to_owned(),
        store::Error::AccessDenied => "access denied".to_owned(),
    })
}
