//! `plugbusd`: what `plugbus run` and `plugbus check` become. See the library beside it.

use std::process::ExitCode;

fn main() -> ExitCode {
    plugbus_cli::engine()
}
