//! Errors in words.

use std::error::Error;

/// An error with its causes on one line, outermost first: `cannot read plugbus.toml: permission denied`. A cause that its
/// effect repeats already is left out.
#[must_use]
pub fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.contains(&more) {
            text.push_str(": ");
            text.push_str(&more);
        }
        cause = error.source();
    }
    text
}
