//! The threads that compile. They are the engine's own, and step back once there are events to handle: where somebody else
//! wants the processor, they get next to nothing of it.
//!
//! A component of an interpreter is many seconds of work for every core. On threads like any other it would get half of each
//! core that events want, and events would wait. So these threads are *nice* to the rest ([`NICE`]), where the system knows
//! that for a single thread, which is Linux; elsewhere they are threads like any other. Before the first events, when a host
//! starts, everybody waits for the compiler, and it has all that the machine has for it.
//!
//! What bounds them: one for each core, at most [`THREADS_MAX`]. They sleep when nothing is compiled, and end with the engine.

use std::io;
use std::num::NonZeroUsize;
use std::sync::Once;
use std::thread;

use rayon::{ThreadPool, ThreadPoolBuilder};

/// How far these threads step back: all the way. They get a seventieth of a core that others want all of, so that on a machine that is
/// busy without a pause a component has to wait; what runs does not. Half the way, at 10, it was a tenth, and of another plugin's events
/// one in a hundred took three times as long while a component was compiled.
#[cfg(target_os = "linux")]
const NICE: i32 = 19;

/// Most threads: more do not make one component ready sooner.
const THREADS_MAX: usize = 16;

/// The threads.
#[derive(Debug)]
pub(crate) struct Compilers {
    pool: ThreadPool,
    stepped_back: Once,
}

impl Compilers {
    /// Starts them.
    ///
    /// # Errors
    /// Where the system refuses a thread.
    pub(crate) fn start() -> io::Result<Self> {
        let cores = thread::available_parallelism().map_or(1, NonZeroUsize::get);
        let builder = ThreadPoolBuilder::new()
            .num_threads(cores.min(THREADS_MAX))
            .thread_name(|number| format!("plugbus-compile-{number}"));
        let pool = builder.build().map_err(io::Error::other)?;
        Ok(Self { pool, stepped_back: Once::new() })
    }

    /// Makes them step back from now on; one that compiles at this moment does so when it has nothing to do.
    pub(crate) fn step_back(&self) {
        self.stepped_back.call_once(|| self.pool.spawn_broadcast(|_| step_back()));
    }

    /// Does something on these threads, and waits for it; what it does in parallel is done on them too. A panic goes through to
    /// the caller.
    pub(crate) fn run<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        self.pool.install(work)
    }
}

/// Makes this thread nicer than it was. On Linux that says nothing of the other threads of the process.
#[cfg(target_os = "linux")]
fn step_back() {
    if let Err(error) = rustix::process::nice(NICE) {
        tracing::debug!("a thread that compiles does not step back behind those that handle events: {error}");
    }
}

#[cfg(not(target_os = "linux"))]
fn step_back() {}

#[cfg(test)]
mod tests {
    use rayon::prelude::*;

    use super::*;

    #[cfg(target_os = "linux")]
    #[test]
    fn what_compiles_steps_back_and_nothing_else_does() {
        let nice = || rustix::process::getpriority_process(None).unwrap();
        let before = nice();
        let compilers = Compilers::start().unwrap();
        let every = || compilers.pool.broadcast(|_| nice());
        assert!(every().iter().all(|found| *found == before), "{:?}", every());
        for _ in 0..2 {
            compilers.step_back();
            assert!(every().iter().all(|found| *found == (before + NICE).min(19)), "{:?}", every());
            assert_eq!(compilers.run(nice), (before + NICE).min(19));
        }
        assert_eq!(nice(), before);
    }

    #[test]
    fn what_is_done_in_parallel_is_done_on_these_threads() {
        let compilers = Compilers::start().unwrap();
        let name = || thread::current().name().unwrap_or_default().to_owned();
        let names: Vec<String> = compilers.run(|| (0..64).into_par_iter().map(|_| name()).collect());
        assert!(names.iter().all(|name| name.starts_with("plugbus-compile-")), "{names:?}");
    }

    #[test]
    fn a_panic_ends_what_panicked_and_not_the_threads() {
        let compilers = Compilers::start().unwrap();
        let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            compilers.run(|| panic!("a mistake of the compiler"));
        }));
        assert!(panicked.is_err());
        assert_eq!(compilers.run(|| 7), 7);
    }
}
