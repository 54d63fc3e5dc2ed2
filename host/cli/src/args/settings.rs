//! Every key of the configuration as a flag and an environment variable, made from the library's own table.

use std::ffi::OsStr;

use clap::builder::{PossibleValue, StringValueParser, TypedValueParser};
use clap::parser::ValueSource;
use clap::{Arg, ArgMatches, Command, ValueHint};
use plugbus::config::Config;
use plugbus::config::keys::{KEYS, Key, Kind};

/// What was given, in the order of the table.
#[derive(Debug, Clone, Default)]
pub(crate) struct Settings {
    given: Vec<Given>,
}

#[derive(Debug, Clone)]
struct Given {
    key: &'static Key,
    text: String,
    /// The flag or the variable, for messages.
    place: String,
}

impl Settings {
    /// Puts what was given over what the configuration has.
    pub(crate) fn apply(&self, config: &mut Config) -> Result<(), plugbus::config::ConfigError> {
        self.given.iter().try_for_each(|given| config.set(given.key.name, &given.text, &given.place))
    }
}

/// All keys but the socket's path, which is an argument of every command.
fn keys() -> impl Iterator<Item = &'static Key> {
    KEYS.iter().filter(|key| key.name != "socket")
}

fn arg(key: &'static Key) -> Arg {
    let arg = Arg::new(key.name).long(key.flag).env(key.env).hide_env_values(true).help(key.help);
    match key.kind {
        Kind::Number { .. } => arg.value_name("N"),
        Kind::Switch => arg.value_name("BOOL").value_parser(Words(&["true", "false"])).hide_possible_values(true),
        Kind::Path => arg.value_name("PATH").value_hint(ValueHint::AnyPath),
        Kind::Address => arg.value_name("IP:PORT"),
        Kind::Collector => arg.value_name("URL").value_hint(ValueHint::Url),
        Kind::Texts => arg.value_name("TEXT,…"),
        Kind::Text => arg.value_name("TEXT"),
        Kind::Choice(choices) => arg.value_name("CHOICE").value_parser(Words(choices)).hide_possible_values(true),
    }
}

/// Says to shells which words there are, and takes any: [`Config::set`] refuses a wrong one with the name of the flag or of
/// the variable, where clap would speak of the flag alone, and would not take a variable that is set to nothing.
#[derive(Debug, Clone, Copy)]
struct Words(&'static [&'static str]);

impl TypedValueParser for Words {
    type Value = String;

    fn parse_ref(&self, command: &Command, arg: Option<&Arg>, value: &OsStr) -> Result<String, clap::Error> {
        StringValueParser::new().parse_ref(command, arg, value)
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        Some(Box::new(self.0.iter().copied().map(PossibleValue::new)))
    }
}

impl clap::Args for Settings {
    fn augment_args(command: Command) -> Command {
        command.args(keys().map(arg))
    }
    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl clap::FromArgMatches for Settings {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let given = keys().filter_map(|key| {
            let text = matches.get_one::<String>(key.name)?.clone();
            let from_flag = matches.value_source(key.name) == Some(ValueSource::CommandLine);
            let place = if from_flag { format!("--{}", key.flag) } else { key.env.into() };
            // A variable that is set to nothing counts as not set.
            (from_flag || !text.is_empty()).then_some(Given { key, text, place })
        });
        Ok(Self { given: given.collect() })
    }
    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}
