//! The store of a plugin under test: in memory, by the host's rules.

use std::collections::BTreeMap;

use crate::state::StateError;

/// Bytes of a bucket's name, of a key and of a value, and what a pair costs beside its own bytes: as on the host.
const BUCKET_BYTES_MAX: usize = 64;
const KEY_BYTES_MAX: usize = 256;
const VALUE_BYTES_MAX: usize = 64 << 10;
const PAIR_BYTES: usize = 64;
/// What the empty name of a bucket stands for.
const DEFAULT_BUCKET: &str = "default";

/// A bucket and a key.
type Place = (String, String);

/// What is committed, and what the event that is being handled has changed.
#[derive(Debug)]
pub(crate) struct Store {
    /// Bytes that all of it may have.
    pub(crate) bytes_max: usize,
    committed: BTreeMap<Place, Vec<u8>>,
    staged: BTreeMap<Place, Option<Vec<u8>>>,
}

impl Default for Store {
    fn default() -> Self {
        Self { bytes_max: 16 << 20, committed: BTreeMap::new(), staged: BTreeMap::new() }
    }
}

/// The name of the bucket that one asks for.
pub(crate) fn bucket_name(name: &str) -> Result<String, StateError> {
    match name {
        "" => Ok(DEFAULT_BUCKET.to_owned()),
        _ if name.len() > BUCKET_BYTES_MAX || name.chars().any(char::is_control) => {
            Err(StateError::NoSuchBucket(name.to_owned()))
        }
        _ => Ok(name.to_owned()),
    }
}

impl Store {
    pub(crate) fn get(&self, bucket: &str, key: &str) -> Result<Option<&[u8]>, StateError> {
        let place = place(bucket, key)?;
        Ok(match self.staged.get(&place) {
            Some(changed) => changed.as_deref(),
            None => self.committed.get(&place).map(Vec::as_slice),
        })
    }

    pub(crate) fn set(&mut self, bucket: &str, key: &str, value: &[u8]) -> Result<(), StateError> {
        let place = place(bucket, key)?;
        if value.len() > VALUE_BYTES_MAX {
            let problem = format!("a value of {} bytes; at most {VALUE_BYTES_MAX} are allowed", value.len());
            return Err(refused(bucket, key, &problem, "kv_value_bytes"));
        }
        let before = self.staged.insert(place.clone(), Some(value.to_vec()));
        let bytes = self.bytes();
        if bytes > self.bytes_max {
            match before {
                Some(before) => drop(self.staged.insert(place, before)),
                None => drop(self.staged.remove(&place)),
            }
            let max = self.bytes_max;
            let problem = format!("the store would have {bytes} bytes; at most {max} are allowed: delete keys first");
            return Err(refused(bucket, key, &problem, "kv_bytes"));
        }
        Ok(())
    }

    pub(crate) fn delete(&mut self, bucket: &str, key: &str) -> Result<(), StateError> {
        self.staged.insert(place(bucket, key)?, None);
        Ok(())
    }

    pub(crate) fn increment(&mut self, bucket: &str, key: &str, delta: u64) -> Result<u64, StateError> {
        let cannot =
            |why: &str| StateError::Refused(format!("key `{}` cannot be incremented: {why}", key.escape_debug()));
        let number = match self.get(bucket, key)? {
            None => 0,
            Some(value) => std::str::from_utf8(value)
                .ok()
                .and_then(|text| text.parse::<u64>().ok())
                .ok_or_else(|| cannot("its value is no whole number in decimal digits"))?,
        };
        let sum = number.checked_add(delta).ok_or_else(|| cannot("the number would have more than 64 bits"))?;
        self.set(bucket, key, sum.to_string().as_bytes())?;
        Ok(sum)
    }

    pub(crate) fn keys(&self, bucket: &str) -> Vec<String> {
        self.pairs().filter(|((of, _), _)| of == bucket).map(|((_, key), _)| key.clone()).collect()
    }

    /// The value of a key as it is committed.
    pub(crate) fn committed(&self, bucket: &str, key: &str) -> Option<&[u8]> {
        self.committed.get(&(bucket.to_owned(), key.to_owned())).map(Vec::as_slice)
    }

    /// The handler acked.
    pub(crate) fn commit(&mut self) {
        for (place, value) in std::mem::take(&mut self.staged) {
            match value {
                Some(value) => drop(self.committed.insert(place, value)),
                None => drop(self.committed.remove(&place)),
            }
        }
    }

    /// The handler failed.
    pub(crate) fn forget_staged(&mut self) {
        self.staged.clear();
    }

    /// Everything as the handler sees it, in order.
    fn pairs(&self) -> impl Iterator<Item = (&Place, &Vec<u8>)> {
        let unchanged = self.committed.iter().filter(|(place, _)| !self.staged.contains_key(*place));
        let changed = self.staged.iter().filter_map(|(place, value)| Some((place, value.as_ref()?)));
        unchanged.chain(changed).collect::<BTreeMap<_, _>>().into_iter()
    }

    fn bytes(&self) -> usize {
        self.pairs().map(|((bucket, key), value)| bucket.len() + key.len() + value.len() + PAIR_BYTES).sum()
    }
}

fn place(bucket: &str, key: &str) -> Result<Place, StateError> {
    if (1..=KEY_BYTES_MAX).contains(&key.len()) {
        return Ok((bucket.to_owned(), key.to_owned()));
    }
    let problem = format!("a bucket or key of {} bytes; 1 to {KEY_BYTES_MAX} are allowed", key.len());
    Err(refused(bucket, key, &problem, "kv_key_bytes"))
}

fn refused(bucket: &str, key: &str, problem: &str, limit: &str) -> StateError {
    let key: String = key.chars().take(80).collect();
    StateError::Refused(format!("key `{}` of bucket `{bucket}`: {problem} (`{limit}`)", key.escape_debug()))
}
