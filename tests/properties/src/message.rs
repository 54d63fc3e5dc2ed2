//! What a refusal may look like.

/// Most bytes in the text of any refusal: a screenful.
const MESSAGE_BYTES_MAX: usize = 4 << 10;

/// Checks a text that is shown to people: not empty, bounded however large the input was, on one line, with nothing in it
/// that could move a terminal's cursor.
pub(crate) fn check(text: &str) {
    assert!(!text.is_empty(), "a refusal says nothing");
    assert!(text.len() <= MESSAGE_BYTES_MAX, "a refusal has {} bytes: {text:.200}…", text.len());
    let control = text.chars().find(|character| character.is_control());
    assert!(control.is_none(), "a refusal has {control:?} in it: {text:?}");
}
