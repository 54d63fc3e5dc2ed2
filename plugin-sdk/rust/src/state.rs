//! What a plugin remembers beyond its instance: a store of keys and values, with `kv = true` under `[grants]` in the manifest.
//!
//! What a handler writes is committed when it returns `Ok`, together with what it published, or not at all; so this counts
//! every event once, whatever is repeated and whoever crashes, at any number of instances:
//!
//! ```
//! # use plugbus_sdk::{prelude::*, state};
//! # fn handle(event: Event) -> Result<Reply> {
//! let seen: u64 = state::increment("seen", 1)?;
//! let before: Option<String> = state::get("last")?;
//! state::set("last", &event.id)?;
//! # Reply::json(&(seen, before))
//! # }
//! ```
//!
//! The store belongs to the plugin, not to an instance: reloads, faults and (where the host keeps a journal) restarts leave it as
//! it is. Values are JSON, unless a plugin uses the `bytes` functions. The functions of this module use the bucket `default`;
//! other [`Bucket`]s keep other keys. In [`Plugin::new`](crate::Plugin::new) a bucket may be opened, and nothing read or written.
//!
//! Bounds, of the manifest's `[limits]`: 256 bytes for a key (`kv_key_bytes`), 64 KiB for a value (`kv_value_bytes`), 16 MiB in
//! all (`kv_bytes`). A plugin that calls nothing of this module does not import the store, and needs no grant.

use std::collections::BTreeMap;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{JsonError, json};

#[cfg(target_arch = "wasm32")]
mod wasm;

#[cfg(not(target_arch = "wasm32"))]
use crate::host::Handle;
#[cfg(target_arch = "wasm32")]
use wasm::Handle;

/// Keys that are asked for at once: a multiple of the largest values by default is less than one answer may carry.
const KEYS_AT_ONCE: usize = 64;

/// A key and its value as it is kept.
pub type Pair = (String, Vec<u8>);

/// Keys and values under a name. Opening one is cheap; a plugin may keep it in `self`.
#[derive(Debug)]
pub struct Bucket(Handle);

/// Why the store did not do what it was asked to. Nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StateError {
    /// A name that no bucket can have. Through `?` it rejects the event.
    #[error("there is no bucket `{0}`: a name has at most 64 bytes and no control characters")]
    NoSuchBucket(String),
    /// The host refused: the text names the key and the limit, or says that the store cannot be read. Through `?` the event is
    /// retried: others may have made room by then, and no event is given up in haste.
    #[error("the store refused: {0}")]
    Refused(String),
    /// A value is not JSON of the shape that was asked for, or has no JSON form. Through `?` it rejects the event.
    #[error(transparent)]
    Json(#[from] JsonError),
}

impl StateError {
    /// Whether the same may fare better later.
    pub(crate) fn is_transient(&self) -> bool {
        matches!(self, Self::Refused(_))
    }
}

impl Bucket {
    /// Opens a bucket; every one is there from the beginning. A name has 1 to 64 bytes; the empty one stands for `default`.
    ///
    /// # Errors
    /// [`StateError::NoSuchBucket`] for any other name, [`StateError::Refused`] where too many are open.
    pub fn open(name: &str) -> Result<Self, StateError> {
        Handle::open(name).map(Self)
    }

    /// The value of a key.
    ///
    /// # Errors
    /// Where the value is not JSON of that shape, or the store refuses.
    pub fn get<T: DeserializeOwned>(&self, key: &str) -> Result<Option<T>, StateError> {
        self.get_bytes(key)?.map(|value| parse(key, &value)).transpose()
    }

    /// Gives a key a value.
    ///
    /// # Errors
    /// Where the value has no JSON form, or the store refuses: a bound is hit.
    pub fn set<T: Serialize + ?Sized>(&self, key: &str, value: &T) -> Result<(), StateError> {
        self.set_bytes(key, json::to_string(value)?.as_bytes())
    }

    /// The value of a key as it is kept.
    ///
    /// # Errors
    /// Where the store refuses.
    pub fn get_bytes(&self, key: &str) -> Result<Option<Vec<u8>>, StateError> {
        self.0.get(key)
    }

    /// Gives a key a value that is kept as it is.
    ///
    /// # Errors
    /// Where the store refuses: a bound is hit.
    pub fn set_bytes(&self, key: &str, value: &[u8]) -> Result<(), StateError> {
        self.0.set(key, value)
    }

    /// Whether a key has a value.
    ///
    /// # Errors
    /// Where the store refuses.
    pub fn exists(&self, key: &str) -> Result<bool, StateError> {
        self.0.exists(key)
    }

    /// Deletes a key, there or not.
    ///
    /// # Errors
    /// Where the store refuses.
    pub fn delete(&self, key: &str) -> Result<(), StateError> {
        self.0.delete(key)
    }

    /// Adds to a number and returns the sum; a key that is not there counts as zero. [`Bucket::get`] reads the number too.
    ///
    /// # Errors
    /// Where the value is no whole number, the sum has more than 64 bits, or the store refuses.
    pub fn increment(&self, key: &str, delta: u64) -> Result<u64, StateError> {
        self.0.increment(key, delta)
    }

    /// Every key, in order.
    ///
    /// # Errors
    /// Where the store refuses.
    pub fn keys(&self) -> Result<Vec<String>, StateError> {
        self.0.keys()
    }

    /// Every key with its value.
    ///
    /// # Errors
    /// Where a value is not JSON of that shape, or the store refuses.
    pub fn entries<T: DeserializeOwned>(&self) -> Result<BTreeMap<String, T>, StateError> {
        let mut entries = BTreeMap::new();
        for (key, value) in self.get_many_bytes(&self.keys()?)? {
            let value = parse(&key, &value)?;
            entries.insert(key, value);
        }
        Ok(entries)
    }

    /// Several keys with their values as they are kept, in the order of the keys; those that are not there are left out.
    ///
    /// # Errors
    /// Where the store refuses.
    pub fn get_many_bytes(&self, keys: &[String]) -> Result<Vec<Pair>, StateError> {
        let mut pairs = Vec::with_capacity(keys.len());
        for some in keys.chunks(KEYS_AT_ONCE) {
            pairs.append(&mut self.get_some(some)?);
        }
        Ok(pairs)
    }

    /// At once, or one after the other where that is too much for one answer.
    fn get_some(&self, keys: &[String]) -> Result<Vec<Pair>, StateError> {
        let one = |key: &String| Ok(self.get_bytes(key)?.map(|value| (key.clone(), value)));
        match self.0.get_many(keys) {
            Err(StateError::Refused(_)) => keys.iter().filter_map(|key| one(key).transpose()).collect(),
            answer => answer,
        }
    }
}

fn parse<T: DeserializeOwned>(key: &str, value: &[u8]) -> Result<T, StateError> {
    Ok(json::parse(&format!("value of key `{}`", key.escape_debug()), value)?)
}

/// The value of a key of the default bucket, see [`Bucket::get`].
///
/// # Errors
/// As [`Bucket::get`].
pub fn get<T: DeserializeOwned>(key: &str) -> Result<Option<T>, StateError> {
    Bucket::open("")?.get(key)
}

/// Gives a key of the default bucket a value, see [`Bucket::set`].
///
/// # Errors
/// As [`Bucket::set`].
pub fn set<T: Serialize + ?Sized>(key: &str, value: &T) -> Result<(), StateError> {
    Bucket::open("")?.set(key, value)
}

/// Whether a key of the default bucket has a value, see [`Bucket::exists`].
///
/// # Errors
/// As [`Bucket::exists`].
pub fn exists(key: &str) -> Result<bool, StateError> {
    Bucket::open("")?.exists(key)
}

/// Deletes a key of the default bucket, see [`Bucket::delete`].
///
/// # Errors
/// As [`Bucket::delete`].
pub fn delete(key: &str) -> Result<(), StateError> {
    Bucket::open("")?.delete(key)
}

/// Adds to a number of the default bucket, see [`Bucket::increment`].
///
/// # Errors
/// As [`Bucket::increment`].
pub fn increment(key: &str, delta: u64) -> Result<u64, StateError> {
    Bucket::open("")?.increment(key, delta)
}

/// Every key of the default bucket, see [`Bucket::keys`].
///
/// # Errors
/// As [`Bucket::keys`].
pub fn keys() -> Result<Vec<String>, StateError> {
    Bucket::open("")?.keys()
}

/// Every key of the default bucket with its value, see [`Bucket::entries`].
///
/// # Errors
/// As [`Bucket::entries`].
pub fn entries<T: DeserializeOwned>() -> Result<BTreeMap<String, T>, StateError> {
    Bucket::open("")?.entries()
}

#[cfg(test)]
mod tests;
