//! Chromium, from Debian's packages.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::process;

use super::parts::PartError;

/// Where Debian puts it.
const CHROMIUM: &str = "/usr/bin/chromium";
/// For each call of apt: some hundred megabytes.
const APT_LIMIT: Duration = Duration::from_secs(600);

/// Finds it, and installs it where that is possible.
pub(super) fn find() -> Result<(), PartError> {
    if Path::new(CHROMIUM).exists() {
        return Ok(());
    }
    if process::read(Command::new("id").arg("-u"))?.trim() != "0" {
        return Err(PartError::NotRoot);
    }
    println!("clients: {CHROMIUM} is not there; installing Debian's package chromium");
    for arguments in [&["-qq", "update"][..], &["-qq", "install", "--yes", "--no-install-recommends", "chromium"]] {
        let mut apt = Command::new("apt-get");
        process::run_within(apt.args(arguments).env("DEBIAN_FRONTEND", "noninteractive"), APT_LIMIT)?;
    }
    if Path::new(CHROMIUM).exists() { Ok(()) } else { Err(PartError::NoChromium) }
}
