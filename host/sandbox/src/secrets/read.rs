//! Reading the value of a secret. Whatever goes wrong, no message has anything of it.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

use super::{SECRET_CHARS, SecretGrant, SecretName, SecretSource, Value};

/// Why the value of a secret cannot be had: the secret, where it was looked for, and how to mend it.
#[derive(Debug, thiserror::Error)]
#[error("secret `{name}`: {from} {problem}")]
pub struct SecretError {
    /// The secret.
    pub name: SecretName,
    /// Where it was looked for.
    pub from: SecretSource,
    /// What is wrong there.
    #[source]
    pub problem: SecretProblem,
}

/// What is wrong with the place where a secret was looked for.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SecretProblem {
    /// The variable is not there.
    #[error("is not set; set it where the host is started, or name a file instead (`file` in the place of `env`)")]
    Unset,
    /// The file cannot be read.
    #[error("cannot be read ({0}); write the value into it, and let its owner alone read it (mode 600)")]
    Read(io::Error),
    /// It is a folder, a pipe or the like.
    #[error("is no regular file; name one that holds the value")]
    NotAFile,
    /// Others than its owner may get at it.
    #[error("has mode {0:03o}: others than its owner may get at it; `chmod 600` it")]
    Open(u32),
    /// The value is too short or too long.
    #[error("holds a value of {0} characters; {min} to {max} are allowed", min = SECRET_CHARS.start(), max = SECRET_CHARS.end())]
    Length(usize),
    /// The value could not stand in a header.
    #[error("holds a value that cannot stand in a header: something else than printable ASCII, or a space at its ends")]
    Characters,
}

/// Most bytes that are read of a file: a value and its line break, and one to tell that there is more.
const FILE_BYTES_MAX: usize = *SECRET_CHARS.end() + 3;

/// Reads a value. Blocks.
pub(super) fn value(grant: &SecretGrant) -> Result<Value, SecretError> {
    let text = match &grant.source {
        SecretSource::Env(name) => variable(name),
        SecretSource::File(path) => file(path),
    };
    let failed = |problem| SecretError { name: grant.name.clone(), from: grant.source.clone(), problem };
    text.and_then(|text| checked(&text)).map_err(failed)
}

fn variable(name: &str) -> Result<String, SecretProblem> {
    // The system's function takes no such names.
    if name.is_empty() || name.contains(['=', '\0']) {
        return Err(SecretProblem::Unset);
    }
    std::env::var_os(name).ok_or(SecretProblem::Unset)?.into_string().map_err(|_| SecretProblem::Characters)
}

fn file(path: &Path) -> Result<String, SecretProblem> {
    // A pipe in the file's place is not waited for.
    let file = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(path).map_err(SecretProblem::Read)?;
    let metadata = file.metadata().map_err(SecretProblem::Read)?;
    if !metadata.is_file() {
        return Err(SecretProblem::NotAFile);
    }
    let mode = metadata.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(SecretProblem::Open(mode));
    }
    String::from_utf8(contents(file)?).map_err(|_| SecretProblem::Characters)
}

fn contents(file: File) -> Result<Vec<u8>, SecretProblem> {
    let mut contents = Vec::new();
    file.take(FILE_BYTES_MAX as u64).read_to_end(&mut contents).map_err(SecretProblem::Read)?;
    Ok(contents)
}

/// Checks a text, without the line break that editors put at the end. Pure.
fn checked(text: &str) -> Result<Value, SecretProblem> {
    let text = text.strip_suffix('\n').map_or(text, |text| text.strip_suffix('\r').unwrap_or(text));
    if !SECRET_CHARS.contains(&text.len()) {
        return Err(SecretProblem::Length(text.len()));
    }
    Value::new(text).ok_or(SecretProblem::Characters)
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::path::PathBuf;

    use super::*;

    fn read(source: SecretSource) -> Result<Value, SecretError> {
        value(&SecretGrant { name: "s".parse().unwrap(), source, origins: Vec::new(), expose: false })
    }

    /// A file of this mode.
    fn written(folder: &Path, contents: &[u8], mode: u32) -> PathBuf {
        let path = folder.join("secret");
        let _ = std::fs::remove_file(&path);
        std::fs::write(&path, contents).unwrap();
        std::fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        path
    }

    #[test]
    fn a_value_is_what_the_file_holds_without_the_line_break_at_its_end() {
        let folder = tempfile::tempdir().unwrap();
        for contents in ["hunter2 hunter2", "hunter2 hunter2\n", "hunter2 hunter2\r\n"] {
            let path = written(folder.path(), contents.as_bytes(), 0o600);
            assert_eq!(read(SecretSource::File(path)).unwrap().as_is(), "hunter2 hunter2");
        }
        let longest = "x".repeat(*SECRET_CHARS.end());
        let path = written(folder.path(), format!("{longest}\r\n").as_bytes(), 0o400);
        assert_eq!(read(SecretSource::File(path)).unwrap().as_is(), longest);
    }

    #[test]
    fn a_pipe_is_not_waited_for_an_endless_file_not_read_and_a_link_not_trusted() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        assert!(std::process::Command::new("mkfifo").args(["-m", "600"]).arg(&pipe).status().unwrap().success());
        let refused = read(SecretSource::File(pipe)).unwrap_err().to_string();
        assert!(refused.contains("is no regular file"), "{refused}");
        let path = written(folder.path(), b"", 0o600);
        File::options().write(true).open(&path).unwrap().set_len(1 << 40).unwrap();
        let refused = read(SecretSource::File(path)).unwrap_err().to_string();
        assert!(refused.contains(&format!("of {FILE_BYTES_MAX} characters")), "{refused}");
        let open = written(folder.path(), b"hunter2 hunter2", 0o644);
        let link = folder.path().join("link");
        std::os::unix::fs::symlink(open, &link).unwrap();
        let refused = read(SecretSource::File(link)).unwrap_err().to_string();
        assert!(refused.contains("has mode 644"), "{refused}");
    }

    #[test]
    fn what_cannot_be_had_is_named_with_its_place_and_never_shown() {
        let folder = tempfile::tempdir().unwrap();
        let file = |contents: &[u8], mode| SecretSource::File(written(folder.path(), contents, mode));
        let too_long = "hunter2 ".repeat(1024) + "x";
        let mut seen = Vec::new();
        for (contents, mode, problem) in [
            (&b"hunter2 hunter2"[..], 0o640, "has mode 640"),
            (b"hunter2 hunter2", 0o604, "has mode 604"),
            (b"hunter2 hunter2", 0o602, "has mode 602"),
            (b"hunter2", 0o600, "of 7 characters; 8 to 8192"),
            (b"", 0o600, "of 0 characters"),
            (too_long.as_bytes(), 0o600, "of 8193 characters"),
            (b"hunter2\r\nhunter2", 0o600, "printable"),
            (b"hunter2\n\nhunter2\n\n", 0o600, "printable"),
            (b"hunter2 hunter2 ", 0o600, "printable"),
            (b"hunter2 \xff\xff", 0o600, "printable"),
        ] {
            let error = read(file(contents, mode)).unwrap_err();
            let said = format!("{error} {error:?}");
            assert!(said.contains("secret `s`: the file ") && said.contains(problem), "{problem}: {said}");
            seen.push(said);
        }
        let missing = read(SecretSource::File(folder.path().join("missing"))).unwrap_err().to_string();
        assert!(missing.contains("/missing cannot be read") && missing.contains("mode 600"), "{missing}");
        let folder = read(SecretSource::File(folder.path().into())).unwrap_err().to_string();
        assert!(folder.contains("is no regular file"), "{folder}");
        for name in ["NOBODY_SETS_THIS", "", "A=B"] {
            let unset = read(SecretSource::Env(name.into())).unwrap_err().to_string();
            assert!(unset.contains(&format!("the variable `{name}` is not set")), "{unset}");
        }
        assert!(seen.iter().all(|said| !said.contains("hunter2")), "{seen:?}");
    }
}
