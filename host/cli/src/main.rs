//! The `plugbus` binary: arguments and printing. What it does is done by the `plugbus` library and, for every command but
//! `run` and `check`, by the daemon on the other end of the socket.

use std::process::ExitCode;

use clap::{CommandFactory, Parser};

mod args;
mod check;
mod dead;
mod emit;
mod failure;
mod output;
mod place;
mod plugins;
mod run;
mod stats;
mod tail;

use args::{Cli, Command};
use failure::{Failure, Outcome};

fn main() -> ExitCode {
    let cli = Cli::parse();
    carry_out(cli).unwrap_or_else(Failure::report)
}

fn carry_out(cli: Cli) -> Outcome {
    let global = cli.global;
    match cli.command {
        Command::Run(run) => run::run(&global, &run),
        Command::Emit(emit) => emit::emit(&global, &emit),
        Command::Tail(tail) => tail::tail(&global, &tail),
        Command::Plugins(plugins) => plugins::plugins(&global, plugins),
        Command::Check(check) => check::check(&global, &check),
        Command::Dead(dead) => dead::dead(&global, dead),
        Command::Stats => stats::stats(&global),
        Command::Ping => stats::ping(&global),
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "plugbus", &mut script);
            output::bytes(&script)?;
            Ok(ExitCode::SUCCESS)
        }
    }
}
