//! Where `check` and `inspect` keep compiled code, so that a component of an interpreter takes its many seconds once.
//!
//! It is machine code, and runs outside of any sandbox. So it comes only from folders that the user has named or that are the
//! user's own: the data folder of a daemon, where it is named, or else the user's folder for caches. The `.plugbus` that lies
//! in the folder one happens to be in is not taken. It may be part of somebody's repository, and who can write code there can
//! write its digests too.

use std::path::{Path, PathBuf};

use plugbus::check::CheckError;
use plugbus::config::Config;
use plugbus::sandbox::SandboxError;

use crate::args::Global;
use crate::failure::{Failure, chain, say};
use crate::place;

/// Does something that compiles on the cache; where the cache cannot be used, says so and does it without.
pub(crate) async fn with_cache<T>(
    global: &Global,
    run: impl AsyncFn(Option<PathBuf>) -> Result<T, CheckError>,
) -> Result<Result<T, CheckError>, Failure> {
    let folder = folder(&place::cache_config(global)?, place::user_cache().as_deref());
    match run(folder).await {
        Err(CheckError::Sandbox(error @ SandboxError::Cache { .. })) => {
            say(&format!("{}; going on without one", chain(&error)));
            Ok(run(None).await)
        }
        result => Ok(result),
    }
}

/// The folder of the cache, if there is any. Pure.
fn folder(config: &Config, user_cache: Option<&Path>) -> Option<PathBuf> {
    if !config.sandbox.compile_cache {
        return None;
    }
    if config.data_dir != Config::default().data_dir {
        // As a daemon has it.
        return Some(config.data_dir.join("cache"));
    }
    user_cache.map(|folder| folder.join("plugbus"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_comes_from_a_named_data_folder_or_the_users_own_and_never_from_where_one_happens_to_be() {
        let user = Some(Path::new("/home/u/.cache"));
        let nothing_named = Config::default();
        assert_eq!(folder(&nothing_named, user), Some("/home/u/.cache/plugbus".into()));
        assert_eq!(folder(&nothing_named, None), None);
        let named = Config { data_dir: "/var/lib/plugbus".into(), ..Config::default() };
        assert_eq!(folder(&named, user), Some("/var/lib/plugbus/cache".into()));
        let mut off = named;
        off.sandbox.compile_cache = false;
        assert_eq!(folder(&off, user), None);
    }
}
