//! `emit --lines`: a stream of events over one connection.
//!
//! One thread reads lines and sends them, another reads the answers, which come in the same order. Between them is a
//! bounded channel of line numbers: so many lines may be on their way ([`IN_FLIGHT_MAX`]), then reading pauses. Once the
//! daemon is gone, it is over at once: nobody waits for the thread that waits for the next line. What was read goes out as soon as no further whole line is there to be sent with it. While no line comes for long, the host is
//! asked whether it is there, or it would take the connection for forgotten and close it.

use std::io::{self, BufRead, BufReader, Read};
use std::process::ExitCode;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TryRecvError, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use plugbus::socket::client::{ClientError, Incoming, Outgoing, PATIENCE};
use plugbus::socket::protocol::{Request, Response, SettledAs};
use serde_json::value::RawValue;

use super::{INPUT_BYTES_MAX, new_event};
use crate::args::{Emit, Global};
use crate::failure::{Failure, Outcome, say};
use crate::{output, place};

/// Lines that may be sent and not yet answered.
const IN_FLIGHT_MAX: usize = 256;
/// What is collected before it is sent, at most.
const BATCH_BYTES: usize = 64 * 1024;
/// Silence after which the host is asked whether it is there. Far under the hour after which it closes a silent connection.
const KEEP_ALIVE: Duration = Duration::from_secs(60);

/// What became of the lines.
#[derive(Debug, Default)]
struct Tally {
    accepted: u64,
    failed: u64,
}

/// Publishes each line of the standard input.
pub(super) fn emit(global: &Global, args: &Emit) -> Outcome {
    if args.topic.is_none() && !args.attributes.is_empty() {
        let message =
            "--content-type, --source, --subject and --ext need a TOPIC: without one, each line is a whole event";
        return Err(Failure::usage(message));
    }
    let (mut incoming, outgoing) = place::connect(global)?.split();
    let outgoing = Arc::new(Mutex::new(outgoing));
    let wait = Duration::from_millis(args.wait.unwrap_or_default());
    // The host works through the lines one by one: the last of those in flight may wait for all before it.
    let in_flight = u32::try_from(IN_FLIGHT_MAX).unwrap_or(u32::MAX);
    incoming.set_patience(Some(PATIENCE.saturating_add(wait.saturating_mul(in_flight))))?;
    let (sent, numbers) = sync_channel(IN_FLIGHT_MAX);
    let json = global.json;
    let sending = {
        let (args, outgoing) = (args.clone(), outgoing.clone());
        thread::spawn(move || send(&args, &outgoing, &sent))
    };
    // The daemon's last word says more than the broken pipe that followed from it. Moved in, so that the sending thread
    // notices when this has ended.
    let tally = receive(&mut incoming, Awaited { numbers, outgoing: &outgoing }, json)?;
    // It has no more lines, or no more use for them: there is nothing that it could wait for.
    let unreadable = sending.join().unwrap_or_else(|_| Err(Failure::new("the thread that sends lines panicked")))?;
    if !json && io::IsTerminal::is_terminal(&io::stderr()) {
        say(&format!("{} lines accepted, {} failed", tally.accepted, tally.failed + unreadable));
    }
    Ok(if tally.failed + unreadable == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Sends every line. Returns how many were no event and were reported right away.
fn send(args: &Emit, outgoing: &Mutex<Outgoing>, sent: &SyncSender<u64>) -> Result<u64, Failure> {
    let mut input = BufReader::with_capacity(BATCH_BYTES, io::stdin().lock());
    let mut line = Vec::new();
    let (mut number, mut unreadable) = (0, 0);
    loop {
        // Before the next line may have to be waited for.
        if lock(outgoing).pending_bytes() >= BATCH_BYTES || !input.buffer().contains(&b'\n') {
            lock(outgoing).flush()?;
        }
        line.clear();
        match (&mut input).take(INPUT_BYTES_MAX).read_until(b'\n', &mut line) {
            Ok(0) => break,
            Ok(_) => number += 1,
            Err(error) => {
                lock(outgoing).flush()?;
                return Err(Failure::doing("cannot read the standard input", &error));
            }
        }
        let text = line.trim_ascii();
        if text.is_empty() {
            continue;
        }
        match event(args, text) {
            Ok(event) => {
                if !push(&Request::Publish { event, wait_ms: args.wait }, number, outgoing, sent)? {
                    return Ok(unreadable);
                }
            }
            Err(problem) => {
                unreadable += 1;
                say(&format!("line {number}: {problem}"));
            }
        }
    }
    lock(outgoing).flush()?;
    Ok(unreadable)
}

/// Adds a request to what is sent, and tells the other thread that an answer will come; sends what is collected before it
/// has to wait for room. False when that thread has ended: it knows why.
fn push(
    request: &Request,
    number: u64,
    outgoing: &Mutex<Outgoing>,
    sent: &SyncSender<u64>,
) -> Result<bool, ClientError> {
    let mut outgoing = lock(outgoing);
    outgoing.push(request)?;
    match sent.try_send(number) {
        Ok(()) => Ok(true),
        Err(TrySendError::Disconnected(_)) => Ok(false),
        Err(TrySendError::Full(number)) => {
            outgoing.flush()?;
            // The other thread needs the lock only when nothing is on its way.
            drop(outgoing);
            Ok(sent.send(number).is_ok())
        }
    }
}

fn lock(outgoing: &Mutex<Outgoing>) -> MutexGuard<'_, Outgoing> {
    outgoing.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A line as an event: the data where a topic was given, else the event itself.
fn event(args: &Emit, text: &[u8]) -> Result<Box<RawValue>, String> {
    match &args.topic {
        Some(topic) => {
            new_event(topic, text, &args.attributes, None).to_json().map_err(|error| crate::failure::chain(&error))
        }
        None => serde_json::from_slice(text).map_err(|error| {
            // The line is ours to count, not the parser's.
            let what = error.to_string();
            let what = what.split(" at line ").next().unwrap_or_default();
            format!("not JSON at column {}: {what}", error.column())
        }),
    }
}

/// The numbers of the lines whose answers are to come.
struct Awaited<'a> {
    numbers: Receiver<u64>,
    outgoing: &'a Mutex<Outgoing>,
}

impl Awaited<'_> {
    /// The next number; `None` when there will be none. Whenever none comes for so long, shows the host that we are there.
    fn next(&self, incoming: &mut Incoming, keep_alive: Duration) -> Result<Option<u64>, ClientError> {
        loop {
            match self.numbers.recv_timeout(keep_alive) {
                Ok(number) => return Ok(Some(number)),
                Err(RecvTimeoutError::Disconnected) => return Ok(None),
                Err(RecvTimeoutError::Timeout) => {}
            }
            {
                // A line is sent and its number told under this lock, so with no number here no answer but this one comes.
                let mut outgoing = lock(self.outgoing);
                match self.numbers.try_recv() {
                    Ok(number) => return Ok(Some(number)),
                    Err(TryRecvError::Disconnected) => return Ok(None),
                    Err(TryRecvError::Empty) => outgoing.push(&Request::Ping {})?,
                }
                outgoing.flush()?;
            }
            incoming.receive()?;
        }
    }
}

/// Reads an answer for each line that was sent.
fn receive(incoming: &mut Incoming, awaited: Awaited<'_>, json: bool) -> Result<Tally, Failure> {
    let mut tally = Tally::default();
    while let Some(number) = awaited.next(incoming, KEEP_ALIVE)? {
        match incoming.receive() {
            Ok(Response::Accepted(accepted)) => {
                tally.accepted += 1;
                if json {
                    output::json(&serde_json::json!({ "line": number, "accepted": accepted }))?;
                }
            }
            Ok(Response::Settled { accepted, results }) => {
                tally.accepted += 1;
                tally.failed += u64::from(results.iter().any(|result| result.outcome != SettledAs::Acked));
                if json {
                    output::json(&serde_json::json!({ "line": number, "accepted": accepted, "results": results }))?;
                } else {
                    for result in &results {
                        let (outcome, detail) = (super::outcome(result), super::detail(result));
                        output::line(format!("{number}  {}  {outcome}  {detail}", result.subscription).trim_end())?;
                    }
                }
            }
            Ok(_) => return Err(Failure::new(format!("line {number}: the daemon's answer does not fit the request"))),
            Err(ClientError::Refused(error)) if !error.closing => {
                tally.failed += 1;
                say(&format!("line {number}: {}", error.message));
                if json {
                    output::json(&serde_json::json!({ "line": number, "error": error }))?;
                }
            }
            Err(error) => {
                let chain = crate::failure::chain(&error);
                return Err(Failure::new(format!("line {number} and what follows may not be published: {chain}")));
            }
        }
    }
    Ok(tally)
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::os::unix::net::UnixListener;

    use plugbus::socket::client::Client;

    use super::*;

    #[test]
    fn a_silent_stream_shows_the_host_that_it_is_there_and_goes_on() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s");
        let listener = UnixListener::bind(&path).unwrap();
        let (mut incoming, outgoing) = Client::connect(&path).unwrap().split();
        let (host, _) = listener.accept().unwrap();
        let (heard, hearing) = std::sync::mpsc::channel();
        let host = thread::spawn(move || {
            let mut answers = host.try_clone().unwrap();
            for line in BufReader::new(host).lines().map_while(Result::ok) {
                let answer = if line.contains("ping") {
                    r#"{"pong":{"version":"1","protocol":1,"pid":1}}"#
                } else {
                    r#"{"accepted":{"id":"1","seq":1,"matched":0}}"#
                };
                writeln!(answers, "{answer}").unwrap();
                heard.send(line).unwrap();
            }
        });
        let outgoing = Mutex::new(outgoing);
        let (sent, numbers) = sync_channel(1);
        let awaited = Awaited { numbers, outgoing: &outgoing };
        thread::scope(|scope| {
            let next = scope.spawn(move || {
                assert_eq!(awaited.next(&mut incoming, Duration::from_millis(5)).unwrap(), Some(7));
                // The answers to the pings are gone: the next one is the line's.
                assert!(matches!(incoming.receive(), Ok(Response::Accepted(_))));
                assert_eq!(awaited.next(&mut incoming, Duration::from_secs(60)).unwrap(), None);
            });
            for _ in 0..3 {
                assert_eq!(hearing.recv().unwrap(), r#"{"ping":{}}"#);
            }
            let event = serde_json::value::to_raw_value(&serde_json::json!({ "type": "a" })).unwrap();
            push(&Request::Publish { event, wait_ms: None }, 7, &outgoing, &sent).unwrap();
            lock(&outgoing).flush().unwrap();
            drop(sent);
            next.join().unwrap();
        });
        drop(outgoing);
        host.join().unwrap();
    }
}
