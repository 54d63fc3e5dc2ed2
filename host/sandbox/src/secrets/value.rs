//! The value of a secret, in the forms in which it goes out. The only type that holds one.

use std::fmt;

/// A value that has been checked: printable ASCII, no space at its ends.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Value {
    as_is: Box<str>,
    in_path: Box<str>,
    in_query: Box<str>,
    folded: Box<[u8]>,
}

/// Nothing of it is shown, not even its length.
impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}

impl Value {
    /// A value, where every character may stand in a header. Pure.
    pub(super) fn new(text: &str) -> Option<Self> {
        let printable = text.bytes().all(|b| b == b' ' || b.is_ascii_graphic());
        if !printable || text.trim() != text {
            return None;
        }
        Some(Self {
            as_is: text.into(),
            in_path: encoded(text, b"-._~!$'()*+,;=:@/").into(),
            in_query: encoded(text, b"-._~").into(),
            folded: text.bytes().map(folded).collect(),
        })
    }

    /// As it goes into a header.
    pub(super) fn as_is(&self) -> &str {
        &self.as_is
    }

    /// As it goes into a path: with its slashes, everything else that means something there encoded.
    pub(super) fn in_path(&self) -> &str {
        &self.in_path
    }

    /// As it goes into a query: everything but letters, digits and `-._~` encoded.
    pub(super) fn in_query(&self) -> &str {
        &self.in_query
    }

    /// As it is looked for in what comes back, with every byte [`folded`].
    pub(super) fn folded(&self) -> &[u8] {
        &self.folded
    }

    /// As it stands inside a string of JSON.
    pub(super) fn in_json(&self) -> String {
        self.as_is.replace('\\', "\\\\").replace('"', "\\\"")
    }
}

/// What counts as the same where a value is looked for: letters in either case, and a `+`, which forms write for a space. Pure.
pub(super) fn folded(byte: u8) -> u8 {
    if byte == b'+' { b' ' } else { byte.to_ascii_lowercase() }
}

/// Percent-encodes what is neither a letter, a digit nor one of these. Pure.
fn encoded(text: &str, plain: &[u8]) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || plain.contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_has_the_form_of_its_place() {
        let value = Value::new("T0/B&1? \"x\\%#").unwrap();
        assert_eq!(value.as_is(), "T0/B&1? \"x\\%#");
        assert_eq!(value.in_path(), "T0/B%261%3F%20%22x%5C%25%23");
        assert_eq!(value.in_query(), "T0%2FB%261%3F%20%22x%5C%25%23");
        let json: String = serde_json::from_str(&format!("\"{}\"", value.in_json())).unwrap();
        assert_eq!(json, value.as_is());
        assert_eq!(format!("{value:?}"), "…");
    }

    #[test]
    fn what_cannot_stand_in_a_header_is_no_value() {
        for text in ["two\nlines", "a\tb", "ä", " space", "space ", "nul\0", "\u{7f}"] {
            assert_eq!(Value::new(text), None, "{text:?}");
        }
    }
}
