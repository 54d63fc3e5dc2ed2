//! `wasi:keyvalue`: what a plugin remembers, in the store of the delivery that it handles.
//!
//! The store is the bus's ([`plugbus_bus::State`]): what is written here is committed with the delivery's ack or not at all.
//! What bounds a guest here: keys, values and the whole by the `kv_` limits, which the store checks; open buckets by the
//! instance's resources; a page of keys by [`KEYS_PER_PAGE`], cursors by [`pages::PAGES_MAX`]; a batch by [`BATCH_KEYS_MAX`],
//! and what it returns by `hostcall_bytes`. It waits for nothing but the first reading of the store, and that within the call's
//! deadline. What is refused is counted, and changes nothing.

use std::sync::Arc;

use plugbus_bus::{Delivery, StateError};
use wasmtime::component::{HasSelf, Linker, Resource};

use crate::metrics::Metrics;
use crate::state::State;
use bindings::wasi::keyvalue::{atomics, batch, store};

mod pages;
mod refusal;

pub(crate) use pages::Pages;
pub(crate) use refusal::Refusal;

/// The imports as Rust types, made from the WIT files. The host's functions may wait, so they are async.
pub(crate) mod bindings {
    wasmtime::component::bindgen!({
        path: "../../wit",
        world: "wasi:keyvalue/imports",
        imports: { default: async | trappable },
        with: { "wasi:keyvalue/store.bucket": super::Bucket },
        trappable_error_type: { "wasi:keyvalue/store.error" => super::refusal::Refusal },
    });
}

/// Most bytes of a bucket's name.
const BUCKET_BYTES_MAX: usize = 64;
/// What the empty name stands for.
const DEFAULT_BUCKET: &str = "default";
/// Most keys in one answer of `list-keys`.
const KEYS_PER_PAGE: usize = 512;
/// Most keys in one batch.
const BATCH_KEYS_MAX: usize = 1024;

/// An open bucket: a name. The store behind it is that of the delivery in which it is used.
#[allow(unreachable_pub, reason = "the generated code names it in public")]
pub struct Bucket {
    name: Arc<str>,
}

/// A bucket in the store of the running delivery.
struct Place {
    delivery: Arc<Delivery>,
    bucket: Arc<str>,
}

/// Puts the three interfaces into a linker.
pub(crate) fn add_to_linker(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    store::add_to_linker::<_, HasSelf<State>>(linker, |state| state)?;
    atomics::add_to_linker::<_, HasSelf<State>>(linker, |state| state)?;
    batch::add_to_linker::<_, HasSelf<State>>(linker, |state| state)
}

impl State {
    /// Where a bucket's keys are, for as long as an event is handled.
    fn place(&self, bucket: &Resource<Bucket>) -> Result<Place, Refusal> {
        let bucket = self.table.get(bucket)?.name.clone();
        let delivery = self.log.delivery().ok_or(Refusal::NotInInit)?;
        Ok(Place { delivery, bucket })
    }

    fn count_reads(&self, keys: usize) {
        Metrics::add(&self.template.metrics.kv_reads, u64::try_from(keys).unwrap_or(u64::MAX));
    }

    fn count_writes(&self, keys: usize) {
        Metrics::add(&self.template.metrics.kv_writes, u64::try_from(keys).unwrap_or(u64::MAX));
    }
}

impl Place {
    async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, Refusal> {
        let value = self.delivery.state.get(&self.bucket, key).await.map_err(|error| self.refused(key, error))?;
        Ok(value.map(Into::into))
    }

    async fn set(&self, key: &str, value: Vec<u8>) -> Result<(), Refusal> {
        let set = self.delivery.state.set(&self.bucket, key, value.into()).await;
        set.map_err(|error| self.refused(key, error))
    }

    async fn delete(&self, key: &str) -> Result<(), Refusal> {
        self.delivery.state.delete(&self.bucket, key).await.map_err(|error| self.refused(key, error))
    }

    fn refused(&self, key: &str, error: StateError) -> Refusal {
        Refusal::of_key(&self.bucket, key, error)
    }
}

impl store::Host for State {
    async fn open(&mut self, identifier: String) -> Result<Resource<Bucket>, Refusal> {
        let name = if identifier.is_empty() { DEFAULT_BUCKET } else { &identifier };
        if name.len() > BUCKET_BYTES_MAX || name.chars().any(char::is_control) {
            return Err(Refusal::NoSuchStore);
        }
        Ok(self.table.push(Bucket { name: name.into() })?)
    }

    fn convert_error(&mut self, refusal: Refusal) -> wasmtime::Result<store::Error> {
        let error = refusal.into_error()?;
        Metrics::add(&self.template.metrics.kv_refused, 1);
        Ok(error)
    }
}

impl store::HostBucket for State {
    async fn get(&mut self, bucket: Resource<Bucket>, key: String) -> Result<Option<Vec<u8>>, Refusal> {
        let value = self.place(&bucket)?.get(&key).await?;
        self.count_reads(1);
        Ok(value)
    }

    async fn set(&mut self, bucket: Resource<Bucket>, key: String, value: Vec<u8>) -> Result<(), Refusal> {
        self.place(&bucket)?.set(&key, value).await?;
        self.count_writes(1);
        Ok(())
    }

    async fn delete(&mut self, bucket: Resource<Bucket>, key: String) -> Result<(), Refusal> {
        self.place(&bucket)?.delete(&key).await?;
        self.count_writes(1);
        Ok(())
    }

    async fn exists(&mut self, bucket: Resource<Bucket>, key: String) -> Result<bool, Refusal> {
        let place = self.place(&bucket)?;
        let value = place.delivery.state.get(&place.bucket, &key).await.map_err(|error| place.refused(&key, error))?;
        self.count_reads(1);
        Ok(value.is_some())
    }

    async fn list_keys(
        &mut self,
        bucket: Resource<Bucket>,
        cursor: Option<u64>,
    ) -> Result<store::KeyResponse, Refusal> {
        let Place { delivery, bucket } = self.place(&bucket)?;
        let after = match cursor {
            None => None,
            Some(cursor) => Some(self.pages.last_key(cursor, &bucket).ok_or(Refusal::Cursor(cursor))?),
        };
        // One more than a page shows whether there is a next one.
        let listed = delivery.state.keys(&bucket, after.as_deref(), KEYS_PER_PAGE + 1).await;
        let mut keys = listed.map_err(|error| Refusal::of_bucket(&bucket, error))?;
        let is_last = keys.len() <= KEYS_PER_PAGE;
        keys.truncate(KEYS_PER_PAGE);
        self.count_reads(keys.len());
        let last = keys.last().filter(|_| !is_last).cloned();
        let cursor = last.map(|key| self.pages.remember(bucket, key));
        Ok(store::KeyResponse { keys: keys.iter().map(ToString::to_string).collect(), cursor })
    }

    async fn drop(&mut self, bucket: Resource<Bucket>) -> wasmtime::Result<()> {
        self.table.delete(bucket)?;
        Ok(())
    }
}

impl atomics::Host for State {
    async fn increment(&mut self, bucket: Resource<Bucket>, key: String, delta: u64) -> Result<u64, Refusal> {
        let place = self.place(&bucket)?;
        let before = place.get(&key).await?;
        let after = incremented(before.as_deref(), delta)
            .map_err(|problem| Refusal::Increment { key: key.clone(), problem })?;
        place.set(&key, after.to_string().into_bytes()).await?;
        self.count_reads(1);
        self.count_writes(1);
        Ok(after)
    }
}

/// The number in a value, as decimal text, and some more; nothing counts as zero. Pure.
fn incremented(value: Option<&[u8]>, delta: u64) -> Result<u64, &'static str> {
    let Some(value) = value else { return Ok(delta) };
    let number = std::str::from_utf8(value).ok().and_then(|text| text.parse::<u64>().ok());
    let number = number.ok_or("its value is no whole number in decimal digits")?;
    number.checked_add(delta).ok_or("the number would have more than 64 bits")
}

impl batch::Host for State {
    async fn get_many(
        &mut self,
        bucket: Resource<Bucket>,
        keys: Vec<String>,
    ) -> Result<Vec<Option<(String, Vec<u8>)>>, Refusal> {
        let place = self.place(&bucket)?;
        let count = batch_size(keys.len())?;
        let bytes_max = self.template.spec.limits.hostcall_bytes;
        let mut bytes_left = usize::try_from(bytes_max).unwrap_or(usize::MAX);
        let mut found = Vec::with_capacity(count);
        for key in keys {
            let pair = place.get(&key).await?.map(|value| (key, value));
            let bytes = pair.as_ref().map_or(0, |(key, value)| key.len() + value.len());
            bytes_left = bytes_left.checked_sub(bytes).ok_or(Refusal::BatchBytes { bytes_max })?;
            found.push(pair);
        }
        self.count_reads(count);
        Ok(found)
    }

    async fn set_many(&mut self, bucket: Resource<Bucket>, pairs: Vec<(String, Vec<u8>)>) -> Result<(), Refusal> {
        let place = self.place(&bucket)?;
        batch_size(pairs.len())?;
        for (key, value) in pairs {
            place.set(&key, value).await?;
            self.count_writes(1);
        }
        Ok(())
    }

    async fn delete_many(&mut self, bucket: Resource<Bucket>, keys: Vec<String>) -> Result<(), Refusal> {
        let place = self.place(&bucket)?;
        batch_size(keys.len())?;
        for key in keys {
            place.delete(&key).await?;
            self.count_writes(1);
        }
        Ok(())
    }
}

fn batch_size(keys: usize) -> Result<usize, Refusal> {
    if keys > BATCH_KEYS_MAX { Err(Refusal::BatchKeys { keys }) } else { Ok(keys) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_decimal_text_and_never_runs_over() {
        let add_three = |value: &[u8]| incremented(Some(value), 3);
        assert_eq!(incremented(None, 3), Ok(3));
        assert_eq!(add_three(b"4"), Ok(7));
        assert_eq!(add_three(b"18446744073709551612"), Ok(u64::MAX));
        assert!(add_three(b"18446744073709551613").unwrap_err().contains("64 bits"));
        for value in [&b""[..], b"-1", b"1.5", b" 1", b"\xff"] {
            assert!(add_three(value).unwrap_err().contains("no whole number"), "{value:?}");
        }
    }
}
