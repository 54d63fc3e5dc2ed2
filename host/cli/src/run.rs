//! `plugbus run`: the daemon. The only command with a runtime for long, with signals and with a log.

use std::future::Future;
use std::process::ExitCode;
use std::time::Duration;

use plugbus::bus::ShutdownReport;
use plugbus::config::Config;
use plugbus::{Host, HostError};
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::args::{Global, Run};
use crate::failure::{Failure, Outcome, chain, say};
use crate::place;

mod logging;

/// Time for tasks that are left when everything has been shut down: a compilation, say.
const LEFTOVERS: Duration = Duration::from_secs(1);
/// Unsettled events that are listed when the daemon stops; the rest is counted.
const UNSETTLED_SHOWN: usize = 20;

/// Runs until a signal says stop.
pub(crate) fn run(global: &Global, args: &Run) -> Outcome {
    let config = configuration(global, args)?;
    logging::start(&config.log)?;
    for (variable, meant) in place::unknown_variables() {
        tracing::warn!(variable, meant, "no setting has this variable; it is ignored");
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::doing("cannot start the runtime", &error))?;
    let outcome = runtime.block_on(serve(config));
    runtime.shutdown_timeout(LEFTOVERS);
    outcome
}

/// Flags over variables over the file over the defaults.
fn configuration(global: &Global, args: &Run) -> Result<Config, Failure> {
    let mut config = place::configured(global)?;
    args.settings.apply(&mut config).map_err(|error| Failure::usage(chain(&error)))?;
    if let Some(socket) = place::given(&global.socket) {
        config.socket = Some(socket);
    }
    config.socket = Some(place::default_socket(&config));
    Ok(config)
}

async fn serve(config: Config) -> Outcome {
    let mut signals = Signals::new()?;
    let grace = Duration::from_millis(config.shutdown_grace_ms);
    let starting = Host::builder().config(config).start();
    let Some(host) = signals.unless_stopped(starting).await.transpose().map_err(start_failed)? else {
        tracing::info!("stopped before it was ready");
        return Ok(ExitCode::SUCCESS);
    };
    tracing::info!(
        pid = std::process::id(),
        socket = host.socket().map(|path| path.display().to_string()),
        http = host.http_addr().map(|addr| addr.to_string()),
        plugins_dir = %host.config().plugins_dir.display(),
        "ready"
    );
    loop {
        match signals.next().await {
            Asked::Stop(name) => {
                tracing::info!(signal = name, grace_ms = grace.as_millis(), "stopping");
                break;
            }
            Asked::Rescan => {
                tracing::info!(
                    signal = "SIGHUP",
                    "reading tokens and certificate again, looking through the plugins folder"
                );
                // A signal to stop is not kept waiting by a compilation.
                if signals.unless_stopped(read_again(&host)).await.is_none() {
                    break;
                }
            }
        }
    }
    match signals.unless_stopped(host.shutdown(grace)).await {
        Some(report) => {
            tell(&report);
            Ok(ExitCode::SUCCESS)
        }
        None => Err(Failure::new("stopped at once by a second signal; what was in flight is not settled")),
    }
}

async fn read_again(host: &Host) {
    for error in host.reread().await {
        tracing::error!(
            error = &error as &dyn std::error::Error,
            "cannot use what was read again; what was read before goes on"
        );
    }
    let Some(loader) = host.loader() else { return };
    if let Err(error) = loader.rescan().await {
        tracing::error!(error = &error as &dyn std::error::Error, "cannot look through the plugins folder");
    }
}

fn start_failed(error: HostError) -> Failure {
    Failure::doing("cannot start", &error)
}

/// Says what the stop left unsettled: these lines are its only trace.
fn tell(report: &ShutdownReport) {
    for (name, behind) in &report.backlog {
        tracing::info!(subscription = %name, behind, "goes on from the journal at the next start");
    }
    let unwritten = report.unwritten;
    if unwritten > 0 {
        tracing::error!(
            unwritten,
            "the journal could not be written: what was handled and could not be written down comes again"
        );
        if report.unsettled.is_empty() {
            return tracing::info!("stopped; what was not settled is in the journal");
        }
    }
    if report.unsettled.is_empty() && !report.backlog.is_empty() {
        return tracing::info!("stopped; what was not settled is in the journal");
    }
    if report.unsettled.is_empty() {
        return tracing::info!("stopped; everything was settled");
    }
    say(&format!("{} deliveries were not settled within the grace:", report.unsettled.len()));
    for left in report.unsettled.iter().take(UNSETTLED_SHOWN) {
        let (event, attempt) = (&left.event, left.attempt);
        say(&format!("  {}: {} {} (attempt {attempt})", left.subscription, event.topic, event.id));
    }
    if let Some(more) = report.unsettled.len().checked_sub(UNSETTLED_SHOWN).filter(|more| *more > 0) {
        say(&format!("  and {more} more"));
    }
}

/// What a signal asks for.
enum Asked {
    Stop(&'static str),
    Rescan,
}

struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
    /// It came while something else was done.
    hung_up: bool,
    /// Held, never waited for: with somebody listening, a file over the process's limit (`ulimit -f`) is an error of that
    /// one write. By default the whole daemon would be killed, and a plugin that writes to a granted folder could do it.
    _file_size: Signal,
}

/// `SIGXFSZ` on Linux and macOS.
const FILE_SIZE: i32 = 25;

impl Signals {
    fn new() -> Result<Self, Failure> {
        let listen = |kind| signal(kind).map_err(|error| Failure::doing("cannot handle signals", &error));
        Ok(Self {
            terminate: listen(SignalKind::terminate())?,
            interrupt: listen(SignalKind::interrupt())?,
            hangup: listen(SignalKind::hangup())?,
            hung_up: false,
            _file_size: listen(SignalKind::from_raw(FILE_SIZE))?,
        })
    }

    /// What was asked for and is not done yet, or what comes next.
    async fn next(&mut self) -> Asked {
        if std::mem::take(&mut self.hung_up) { Asked::Rescan } else { self.received().await }
    }

    async fn received(&mut self) -> Asked {
        tokio::select! {
            biased;
            _ = self.terminate.recv() => Asked::Stop("SIGTERM"),
            _ = self.interrupt.recv() => Asked::Stop("SIGINT"),
            _ = self.hangup.recv() => Asked::Rescan,
        }
    }

    /// Does something, unless a signal says stop first.
    async fn unless_stopped<T>(&mut self, future: impl Future<Output = T>) -> Option<T> {
        tokio::pin!(future);
        loop {
            tokio::select! {
                done = &mut future => return Some(done),
                asked = self.received() => match asked {
                    Asked::Stop(_) => return None,
                    // What is being read now may be older than what is meant.
                    Asked::Rescan => self.hung_up = true,
                },
            }
        }
    }
}
