//! Cutting texts from guests to a bound.

use std::borrow::Cow;

/// The text, or its beginning with a note of what was cut. The result is at most `bytes_max` and the note long.
pub(crate) fn cut(text: &str, bytes_max: usize) -> Cow<'_, str> {
    if text.len() <= bytes_max {
        return Cow::Borrowed(text);
    }
    let head = prefix(text, bytes_max);
    Cow::Owned(format!("{head} … (cut: {} bytes in all)", text.len()))
}

/// The longest beginning of at most so many bytes that ends between two characters.
pub(crate) fn prefix(text: &str, bytes_max: usize) -> &str {
    let end = (0..=bytes_max.min(text.len())).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
    text.get(..end).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_cut_between_characters_and_say_so() {
        assert_eq!(cut("abc", 3), "abc");
        assert_eq!(cut("abcd", 3), "abc … (cut: 4 bytes in all)");
        assert_eq!(prefix("aä", 2), "a");
        assert_eq!(prefix("ä", 1), "");
        assert_eq!(prefix("ä", 9), "ä");
    }
}
