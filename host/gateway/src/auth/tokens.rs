//! [`Tokens`]: the file of tokens.
//!
//! One token a line: `name token scope…`, with white space between; `#` begins a comment. Scopes are `publish:FILTER`,
//! `subscribe:FILTER` and `admin`. Only digests are kept, and a token is compared with all of them in constant time.

use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use plugbus_bus::Filter;
use ring::digest::{SHA256, digest};
use subtle::{ConditionallySelectable, ConstantTimeEq};

use super::identity::{Identity, Scopes};

/// Bytes of the file, at most.
const FILE_BYTES_MAX: u64 = 256 << 10;
/// Tokens in the file, at most. Each costs a comparison with every request.
const TOKENS_MAX: usize = 1024;
/// Scopes of a token, at most.
const SCOPES_MAX: usize = 64;
/// Characters of a token.
const TOKEN_CHARS: std::ops::RangeInclusive<usize> = 16..=255;
/// Characters of a name.
const NAME_CHARS: std::ops::RangeInclusive<usize> = 1..=64;

/// Why the file of tokens cannot be used. No message repeats a token.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TokensError {
    /// It cannot be read.
    #[error("cannot read it")]
    Read(#[from] io::Error),
    /// Others than its owner may read or write it.
    #[error("its mode is {mode:03o}: others than its owner may get at it; `chmod 600 {}`", path.display())]
    Open {
        /// Its mode.
        mode: u32,
        /// The file.
        path: PathBuf,
    },
    /// It is too large.
    #[error("it has {bytes} bytes; at most {FILE_BYTES_MAX} are allowed")]
    TooLarge {
        /// Its size.
        bytes: u64,
    },
    /// A line is wrong.
    #[error("line {line}: {problem}")]
    Line {
        /// Its number, counted from 1.
        line: usize,
        /// What is wrong, and how to mend it.
        problem: String,
    },
    /// It names no token.
    #[error("it has no token; write a line `name token scope…`, such as `ci <32 random characters> publish:build.>`")]
    Empty,
}

/// The tokens that are known.
#[derive(Debug)]
pub(crate) struct Tokens {
    known: Vec<([u8; 32], Identity)>,
}

impl Tokens {
    /// Reads the file.
    ///
    /// # Errors
    /// [`TokensError`].
    pub(crate) fn read(path: &Path) -> Result<Self, TokensError> {
        let metadata = std::fs::metadata(path)?;
        let mode = metadata.permissions().mode() & 0o777;
        if mode & 0o077 != 0 {
            return Err(TokensError::Open { mode, path: path.to_owned() });
        }
        if metadata.len() > FILE_BYTES_MAX {
            return Err(TokensError::TooLarge { bytes: metadata.len() });
        }
        Self::parse(&std::fs::read_to_string(path)?)
    }

    /// Reads the text of a file. Pure.
    ///
    /// # Errors
    /// [`TokensError::Line`] names the first line that is wrong.
    pub(crate) fn parse(text: &str) -> Result<Self, TokensError> {
        let mut known: Vec<([u8; 32], Identity)> = Vec::new();
        for (line, number) in text.lines().zip(1..) {
            let wrong = |problem: String| TokensError::Line { line: number, problem };
            let line = line.split('#').next().unwrap_or_default();
            let mut words = line.split_whitespace();
            let Some(name) = words.next() else { continue };
            let token = words.next().ok_or_else(|| wrong("a name and no token; write `name token scope…`".into()))?;
            check_words(name, token).map_err(wrong)?;
            let scopes = scopes(words).map_err(wrong)?;
            let digest = digest_of(token);
            if known.iter().any(|(other, identity)| *other == digest || identity.name() == name) {
                return Err(wrong(format!("the name `{name}` or its token stands in an earlier line")));
            }
            if known.len() == TOKENS_MAX {
                return Err(wrong(format!("at most {TOKENS_MAX} tokens are allowed")));
            }
            known.push((digest, Identity::new(name, scopes)));
        }
        if known.is_empty() { Err(TokensError::Empty) } else { Ok(Self { known }) }
    }

    /// Whose token that is. Looks at every one, whichever it is.
    pub(crate) fn find(&self, token: &str) -> Option<Identity> {
        let digest = digest_of(token);
        let none = u32::MAX;
        let found = self.known.iter().zip(0u32..).fold(none, |found, ((known, _), position)| {
            u32::conditional_select(&found, &position, known.ct_eq(&digest))
        });
        let (_, identity) = self.known.get(usize::try_from(found).ok()?)?;
        Some(identity.clone())
    }

    /// Who has that name, and the digest of their token.
    pub(crate) fn named(&self, name: &str) -> Option<&([u8; 32], Identity)> {
        self.known.iter().find(|(_, identity)| identity.name() == name)
    }

    /// These, read after others. Whoever has the name, token and scopes as before is the same, with their permits and streams.
    pub(crate) fn after(self, before: &Self) -> (Self, Change) {
        let is_same = |a: &([u8; 32], Identity), b: &([u8; 32], Identity)| {
            a.0 == b.0 && a.1.name() == b.1.name() && a.1.scopes() == b.1.scopes()
        };
        let same_in =
            |all: &Self, one: &([u8; 32], Identity)| all.known.iter().find(|other| is_same(one, other)).cloned();
        let gone =
            before.known.iter().filter(|one| same_in(&self, one).is_none()).map(|(_, identity)| identity.clone());
        let gone = gone.collect();
        let mut new = 0;
        let known: Vec<_> = self
            .known
            .into_iter()
            .map(|one| {
                same_in(before, &one).unwrap_or_else(|| {
                    new += 1;
                    one
                })
            })
            .collect();
        let change = Change { known: known.len(), new, gone };
        (Self { known }, change)
    }
}

/// What is different from before.
#[derive(Debug)]
pub(crate) struct Change {
    /// How many are known now.
    pub(crate) known: usize,
    /// How many of them were not known before in this way.
    pub(crate) new: usize,
    /// Who is no longer known in this way.
    pub(crate) gone: Vec<Identity>,
}

fn digest_of(token: &str) -> [u8; 32] {
    let mut bytes = [0; 32];
    bytes.copy_from_slice(digest(&SHA256, token.as_bytes()).as_ref());
    bytes
}

/// Messages do not repeat the token, nor a name that may be one.
fn check_words(name: &str, token: &str) -> Result<(), String> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    if !NAME_CHARS.contains(&name.len()) || !name.bytes().all(plain) {
        return Err("the name is not 1 to 64 of A-Z, a-z, 0-9 and -_.".into());
    }
    // What a header can carry, and a subprotocol of a WebSocket.
    if !TOKEN_CHARS.contains(&token.len()) || !token.bytes().all(|byte| plain(byte) || b"~+/=".contains(&byte)) {
        return Err(format!(
            "the token of `{name}` is not 16 to 255 of A-Z, a-z, 0-9 and -_.~+/=; `openssl rand -hex 32` makes a good one"
        ));
    }
    Ok(())
}

fn scopes<'a>(words: impl Iterator<Item = &'a str>) -> Result<Scopes, String> {
    let mut scopes = Scopes::default();
    let mut count = 0;
    for word in words {
        let filter = |text: &str| Filter::parse(text).map_err(|error| format!("scope `{word}`: filter {error}"));
        match word.split_once(':') {
            None if word == "admin" => scopes.admin = true,
            Some(("publish", text)) => scopes.publish.push(filter(text)?),
            Some(("subscribe", text)) => scopes.subscribe.push(filter(text)?),
            _ => return Err("a scope is none of publish:FILTER, subscribe:FILTER and admin".into()),
        }
        count += 1;
    }
    match count {
        0 => Err("no scope; give it publish:FILTER, subscribe:FILTER or admin".into()),
        1..=SCOPES_MAX => Ok(scopes),
        _ => Err(format!("{count} scopes; at most {SCOPES_MAX} are allowed")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use plugbus_bus::Topic;

    const TOKEN: &str = "0123456789abcdef";

    #[test]
    fn a_line_is_a_name_a_token_and_scopes() {
        let text = format!(
            "# tokens\n\nci {TOKEN} publish:build.> subscribe:build.*  # for the pipeline\nroot {TOKEN}-root admin\n"
        );
        let tokens = Tokens::parse(&text).unwrap();
        let ci = tokens.find(TOKEN).unwrap();
        assert_eq!(ci.name(), "ci");
        assert!(ci.may_publish(&Topic::parse("build.done").unwrap()) && !ci.is_admin());
        assert!(tokens.find(&format!("{TOKEN}-root")).unwrap().is_admin());
        for wrong in ["", "0123456789abcde", "0123456789abcdeF", "0123456789abcdef "] {
            assert!(tokens.find(wrong).is_none(), "{wrong}");
        }
        assert_eq!(tokens.named("root").map(|(_, identity)| identity.is_admin()), Some(true));
    }

    #[test]
    fn whoever_is_the_same_after_a_change_stays_and_everybody_else_is_gone_or_new() {
        let line = |name: &str, scope: &str| format!("{name} {TOKEN}-{name} {scope}\n");
        let before = ["stays", "leaves", "rescoped", "renamed"].map(|name| line(name, "publish:a")).concat();
        let before = Tokens::parse(&before).unwrap();
        let renamed = line("renamed", "publish:a").replacen("renamed", "other", 1);
        let after =
            [line("comes", "admin"), line("rescoped", "publish:b"), line("stays", "publish:a"), renamed].concat();
        let (after, change) = Tokens::parse(&after).unwrap().after(&before);
        let names: Vec<&str> = change.gone.iter().map(Identity::name).collect();
        assert_eq!((change.known, change.new, &names[..]), (4, 3, &["leaves", "rescoped", "renamed"][..]));
        assert!(after.find(&format!("{TOKEN}-leaves")).is_none());
        assert!(after.find(&format!("{TOKEN}-comes")).unwrap().is_admin());
        assert_eq!(after.find(&format!("{TOKEN}-renamed")).unwrap().name(), "other");
        let (_, stayed) = before.named("stays").unwrap();
        assert!(stayed.is(&after.find(&format!("{TOKEN}-stays")).unwrap()));
    }

    #[test]
    fn a_wrong_line_is_named_and_no_token_repeated() {
        let table = [
            ("ci".into(), "line 1: a name and no token"),
            (format!("\nc/i {TOKEN} admin"), "line 2: the name is not 1 to 64"),
            ("ci short admin".into(), "line 1: the token of `ci` is not 16 to 255"),
            (format!("ci {TOKEN}! admin"), "line 1: the token of `ci` is not 16 to 255"),
            (format!("ci {TOKEN}"), "line 1: no scope"),
            (format!("ci {TOKEN} root"), "line 1: a scope is none of"),
            (format!("ci {TOKEN} publish:a..b"), "line 1: scope `publish:a..b`: filter `a..b` has an empty token"),
            (format!("a {TOKEN} admin\nb {TOKEN} admin"), "line 2: the name `b` or its token stands in an earlier"),
            (format!("a {TOKEN} {}", "admin ".repeat(65)), "line 1: 65 scopes; at most 64"),
            (String::new(), "it has no token"),
        ];
        for (text, expected) in table {
            let error = Tokens::parse(&text).unwrap_err().to_string();
            assert!(error.starts_with(expected) && !error.contains(TOKEN), "{error}");
        }
    }

    #[test]
    fn a_file_that_others_may_read_is_refused() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), format!("ci {TOKEN} admin\n")).unwrap();
        for (mode, fine) in [(0o600, true), (0o400, true), (0o640, false), (0o604, false), (0o602, false)] {
            std::fs::set_permissions(file.path(), std::fs::Permissions::from_mode(mode)).unwrap();
            let read = Tokens::read(file.path());
            assert_eq!(read.is_ok(), fine, "{mode:o}: {read:?}");
        }
    }
}
