//! Names of subscriptions.

use std::fmt;
use std::sync::Arc;

/// Most bytes in a name.
pub const NAME_BYTES_MAX: usize = 128;

/// The name of a subscription: 1 to 128 of `A`–`Z`, `a`–`z`, `0`–`9` and `-_./:`. Unique on a bus. Cheap to clone.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize)]
pub struct Name(Arc<str>);

/// Why a text is not a name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{}` is not a name: 1 to {NAME_BYTES_MAX} of A-Z, a-z, 0-9 and -_./: are allowed", text.escape_debug())]
pub struct NameError {
    /// The text, cut to 160 characters.
    pub text: String,
}

impl Name {
    /// Parses a name.
    ///
    /// # Errors
    /// Where the text is empty, too long or has other characters.
    pub fn parse(text: impl AsRef<str>) -> Result<Self, NameError> {
        let text = text.as_ref();
        let fits = (1..=NAME_BYTES_MAX).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_./:".contains(&b));
        if fits { Ok(Self(text.into())) } else { Err(NameError { text: text.chars().take(160).collect() }) }
    }

    /// A name the bus makes itself, out of characters that are allowed.
    pub(crate) fn generated(prefix: &str, number: u64) -> Self {
        Self(format!("{prefix}-{number}").into())
    }

    /// The text of the name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Name({})", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_checked() {
        assert!(Name::parse("plugin/normalize-hooks").is_ok());
        assert!(Name::parse("x".repeat(128)).is_ok());
        for bad in ["", "a b", "ä", "a\n", &"x".repeat(129)] {
            assert!(Name::parse(bad).is_err(), "{bad:?}");
        }
    }
}
