//! Takes bytes apart, front to back, and never past their end.

use super::CodecError;

/// What is left of some bytes.
#[derive(Debug)]
pub(super) struct Cut<'a> {
    rest: &'a [u8],
}

impl<'a> Cut<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// Everything that is left.
    pub(super) fn rest(self) -> &'a [u8] {
        self.rest
    }

    pub(super) fn byte(&mut self, what: &'static str) -> Result<u8, CodecError> {
        self.array(what).map(|[byte]| byte)
    }

    pub(super) fn array<const N: usize>(&mut self, what: &'static str) -> Result<[u8; N], CodecError> {
        let (head, rest) = self.rest.split_first_chunk().ok_or(CodecError::Short(what))?;
        self.rest = rest;
        Ok(*head)
    }

    /// A text behind its length, a `u16`.
    pub(super) fn text(&mut self, what: &'static str, bytes_max: usize) -> Result<&'a str, CodecError> {
        let bytes = usize::from(u16::from_le_bytes(self.array(what)?));
        if bytes > bytes_max {
            return Err(CodecError::TooLong { what, bytes, bytes_max });
        }
        let (text, rest) = self.rest.split_at_checked(bytes).ok_or(CodecError::Short(what))?;
        self.rest = rest;
        std::str::from_utf8(text).map_err(|_| CodecError::Malformed(what))
    }
}
