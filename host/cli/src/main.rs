//! `plugbus`: the command line without the engine. See the library beside it.

use std::process::ExitCode;

fn main() -> ExitCode {
    plugbus_cli::client()
}
