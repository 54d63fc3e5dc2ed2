//! The arguments of `new`, `build` and `dev`.

use std::path::PathBuf;

use clap::{Args, ValueEnum, ValueHint};
use plugbus_author::Language;

#[derive(Debug, Args)]
#[command(after_help = "\
The project holds the source, NAME.toml (the manifest), plugbus.build.toml, samples in events/, a test, and in third_party/plugbus the SDK
and the contract: nothing of plugbus is fetched.

Examples:
  plugbus new my-relay
  plugbus new my-relay --lang python && cd my-relay && plugbus build && plugbus check
  plugbus new my-relay --lang ts --dir relays/my-relay")]
pub(crate) struct New {
    /// Name of the plugin: 1 to 64 of a-z, 0-9 and -
    pub(crate) name: String,
    /// Language
    #[arg(long, value_name = "LANG", default_value = "rust")]
    pub(crate) lang: Lang,
    /// Folder to make [default: ./NAME]
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(crate) dir: Option<PathBuf>,
}

/// [`Language`] in clap's terms.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Lang(pub(crate) Language);

impl ValueEnum for Lang {
    fn value_variants<'a>() -> &'a [Self] {
        const ALL: &[Lang] = &[
            Lang(Language::Rust),
            Lang(Language::Js),
            Lang(Language::Ts),
            Lang(Language::Python),
            Lang(Language::C),
            Lang(Language::Go),
        ];
        ALL
    }

    fn to_possible_value(&self) -> Option<clap::builder::PossibleValue> {
        Some(clap::builder::PossibleValue::new(self.0.name()))
    }
}

#[derive(Debug, Args)]
#[command(after_help = "\
Tools that a language needs beyond its own (a component builder, say) are installed, in the versions that the SDK pins, into the
project's .plugbus/tools, or into the folder that PLUGBUS_TOOLS names, which projects may share.

Examples:
  plugbus build
  plugbus build my-relay && cp my-relay/my-relay.{wasm,toml} plugins.d/")]
pub(crate) struct Build {
    /// The project
    #[arg(value_name = "DIR", default_value = ".", value_hint = ValueHint::DirPath)]
    pub(crate) dir: PathBuf,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Shows the plugin's log, every event on the bus, faults with their backtraces, and what became of the samples in events/, which are
sent each time the plugin was loaded. A build that fails leaves the version before running. Ctrl-C ends it.

Examples:
  plugbus dev
  plugbus dev my-relay --no-samples
  plugbus emit --socket my-relay/.plugbus/dev/plugbus.sock hello.world '{\"name\":\"Ada\"}'")]
pub(crate) struct Dev {
    /// The project
    #[arg(value_name = "DIR", default_value = ".", value_hint = ValueHint::DirPath)]
    pub(crate) dir: PathBuf,
    /// Do not send the samples
    #[arg(long)]
    pub(crate) no_samples: bool,
}
