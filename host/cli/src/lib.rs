//! The command line of plugbus: arguments and printing.
//!
//! Two programs share it. `plugbus` ([`client`]) is what people and hooks call: it has no engine and no runtime in it, so
//! that `plugbus emit` and `plugbus hook` start in the time of a small program. Where a command needs the engine, the journal or
//! the SDKs (`run`, `new`, `build`, `dev`, `check`, `inspect`, `journal`), it becomes `plugbusd` ([`engine`]), which stands
//! beside it. With the engine linked in, each start would first have to
//! relocate a megabyte of tables: 0.5 to 1 ms more for a process that takes 1 ms in all.

use std::env;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command as Process, ExitCode};

use clap::{CommandFactory, Parser};

mod args;
mod author;
mod check;
mod compiled;
mod dead;
mod emit;
mod failure;
mod hook;
mod inspect;
mod journal;
mod output;
mod place;
mod plugins;
mod replay;
mod run;
mod stats;
mod tail;

use args::{Cli, Command, EmitAlone, HookAlone};
use failure::{Failure, Outcome};

/// The program with the engine in it.
const ENGINE: &str = "plugbusd";

/// The program `plugbus`.
#[must_use]
pub fn client() -> ExitCode {
    if env::args_os().nth(1).is_some_and(|command| command == "emit") {
        let EmitAlone { emit, global } = EmitAlone::parse_from(env::args_os().skip(1));
        return emit::emit(&global, &emit).unwrap_or_else(Failure::report);
    }
    if env::args_os().nth(1).is_some_and(|command| command == "hook") {
        return match HookAlone::try_parse_from(env::args_os().skip(1)) {
            Ok(HookAlone { hook, global }) => hook::hook(&global, &hook),
            Err(error) => hook::wrong_usage(&error),
        };
    }
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) if is_hook() => return hook::wrong_usage(&error),
        Err(error) => error.exit(),
    };
    let global = &cli.global;
    let outcome = match cli.command {
        Command::Run(_)
        | Command::New(_)
        | Command::Build(_)
        | Command::Dev(_)
        | Command::Check(_)
        | Command::Inspect(_)
        | Command::Journal(_) => become_engine(),
        Command::Hook(hook) => return hook::hook(global, &hook),
        Command::Emit(emit) => emit::emit(global, &emit),
        Command::Tail(tail) => tail::tail(global, &tail),
        Command::Plugins(plugins) => plugins::plugins(global, plugins),
        Command::Dead(dead) => dead::dead(global, dead),
        Command::Replay(replay) => replay::replay(global, replay),
        Command::Stats => stats::stats(global),
        Command::Ping => stats::ping(global),
        Command::Completions { shell } => completions(shell),
    };
    outcome.unwrap_or_else(Failure::report)
}

/// The program `plugbusd`: takes the same command line, and carries out what needs the engine.
#[must_use]
pub fn engine() -> ExitCode {
    let cli = Cli::parse();
    let outcome = match &cli.command {
        Command::Run(run) => run::run(&cli.global, run),
        Command::New(new) => author::new(&cli.global, new),
        Command::Build(build) => author::build(&cli.global, build),
        Command::Dev(dev) => author::dev(&cli.global, dev),
        Command::Check(check) => check::check(&cli.global, check),
        Command::Inspect(args) => inspect::inspect(&cli.global, args),
        Command::Journal(journal) => journal::journal(&cli.global, journal),
        _ => {
            let own = "`run`, `new`, `build`, `dev`, `check`, `inspect` and `journal`";
            Err(Failure::usage(format!("plugbusd carries out {own}; for everything else call `plugbus`")))
        }
    };
    outcome.unwrap_or_else(Failure::report)
}

/// Whether the command is `hook`, behind arguments that every command takes.
fn is_hook() -> bool {
    let mut arguments = env::args_os().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.to_str() {
            Some("--socket" | "--config") => drop(arguments.next()),
            Some(flag) if flag.starts_with('-') => {}
            command => return command == Some("hook"),
        }
    }
    false
}

/// Goes on as `plugbusd`, with the same arguments and the same process. Returns only where that fails.
fn become_engine() -> Outcome {
    let beside = env::current_exe().ok().map(|program| program.with_file_name(ENGINE)).filter(|path| path.exists());
    let program = beside.unwrap_or_else(|| PathBuf::from(ENGINE));
    let error = Process::new(&program).args(env::args_os().skip(1)).exec();
    let what = format!("cannot start {}: it belongs beside `plugbus`, or into a folder of $PATH", program.display());
    Err(Failure::doing(what, &error))
}

fn completions(shell: clap_complete::Shell) -> Outcome {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "plugbus", &mut script);
    output::bytes(&script)?;
    Ok(ExitCode::SUCCESS)
}
