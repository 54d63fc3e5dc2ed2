//! What a file is, from its bytes alone, so that the compiler sees nothing but components.

use super::CompileError;

/// Accepts the preamble of a component and names everything else. Pure.
pub(crate) fn check(bytes: &[u8]) -> Result<(), CompileError> {
    match bytes {
        [] => Err(CompileError::Empty),
        [0, b'a', b's', b'm', rest @ ..] => check_preamble(rest),
        _ => Err(not_wasm(bytes)),
    }
}

fn check_preamble(rest: &[u8]) -> Result<(), CompileError> {
    let [v0, v1, l0, l1, ..] = *rest else {
        return Err(CompileError::Invalid("the file ends within its first 8 bytes; was it copied whole?".into()));
    };
    match (u16::from_le_bytes([v0, v1]), u16::from_le_bytes([l0, l1])) {
        (COMPONENT_VERSION, 1) => Ok(()),
        (_, 0) => Err(CompileError::CoreModule),
        (version, layer) => Err(CompileError::UnknownLayer { version, layer }),
    }
}

/// The version of the component format that every released tool writes.
const COMPONENT_VERSION: u16 = 0x0d;

fn not_wasm(bytes: &[u8]) -> CompileError {
    let (found, hint) = match bytes {
        [0x7f, b'E', b'L', b'F', ..] => (
            "native or precompiled code (ELF)",
            "this host compiles plugins itself and never loads machine code: give it the `.wasm` component",
        ),
        [b'M', b'Z', ..] | [0xcf | 0xce, 0xfa, 0xed, 0xfe, ..] => {
            ("a native program", "build it for `wasm32-wasip2` instead")
        }
        [0x1f, 0x8b, ..] | [0x28, 0xb5, 0x2f, 0xfd, ..] | [b'P', b'K', 3 | 5, ..] => {
            ("compressed or an archive", "unpack it first")
        }
        _ if bytes.iter().all(|byte| *byte == 0) => ("nothing but zero bytes", "was it copied whole?"),
        _ => match text(bytes) {
            Some(text) if text.trim_start().starts_with("(module") || text.trim_start().starts_with("(component") => {
                ("WebAssembly in text form", "turn it into a binary with `wasm-tools parse`")
            }
            Some(text) if text.trim_start().starts_with('<') => ("a page of HTML or XML", "did its download fail?"),
            Some(_) => ("text", "a plugin is a compiled component; sources belong elsewhere"),
            None => ("binary data of an unknown kind", "a plugin is a WebAssembly component (`\\0asm`)"),
        },
    };
    CompileError::NotWasm { found, hint }
}

/// The beginning of the file, if it is text. A character may be cut in half at the end of what is looked at.
fn text(bytes: &[u8]) -> Option<&str> {
    let head = bytes.get(..1024).unwrap_or(bytes);
    let head = match std::str::from_utf8(head) {
        Ok(text) => text,
        Err(error) if error.error_len().is_none() => std::str::from_utf8(head.get(..error.valid_up_to())?).ok()?,
        Err(_) => return None,
    };
    (!head.contains('\0')).then_some(head)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_components_pass() {
        assert_eq!(check(b"\0asm\x0d\0\x01\0"), Ok(()));
        assert_eq!(check(b""), Err(CompileError::Empty));
        assert_eq!(check(b"\0asm\x01\0\0\0"), Err(CompileError::CoreModule));
        assert_eq!(check(b"\0asm\x0e\0\x01\0"), Err(CompileError::UnknownLayer { version: 14, layer: 1 }));
        assert!(matches!(check(b"\0asm\x0d"), Err(CompileError::Invalid(_))));
    }

    #[test]
    fn everything_else_is_named() {
        let table: [(&[u8], &str); 11] = [
            (b"\x7fELF\x02\x01\x01", "precompiled"),
            (b"MZ\x90\0", "native"),
            (b"\x1f\x8b\x08", "compressed"),
            (b"PK\x03\x04", "archive"),
            (&[0; 4096], "zero bytes"),
            (b"  (component)", "text form"),
            (b"(module)", "text form"),
            (b"<!doctype html>", "HTML"),
            (b"export function handle() {}", "sources"),
            (b"\xff\xfe\xfd", "unknown kind"),
            (b"\0as", "unknown kind"),
        ];
        for (bytes, expected) in table {
            let message = check(bytes).unwrap_err().to_string();
            assert!(message.contains(expected), "{message}");
        }
    }
}
