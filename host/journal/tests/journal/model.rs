//! Random writes, restarts and crashes, beside a model of what must come of them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use plugbus_bus::journal::{Retry, Settle, StateWrite, Write};
use plugbus_bus::{DeadLetter, DeadReason, Event};
use plugbus_journal::JournalConfig;
use proptest::collection::vec;
use proptest::prelude::*;

use crate::support::{Outcome, Rig, append, event, name, wait};

const CURSORS: [&str; 3] = ["a", "b", "c"];

/// One step. Numbers are taken modulo what there is.
#[derive(Debug, Clone)]
enum Step {
    Append {
        id: u8,
    },
    Settle {
        cursor: usize,
        seq: u64,
        to_floor: bool,
        published: Vec<u8>,
        state: Vec<(u8, Option<u8>)>,
        dead: Option<u8>,
    },
    Retry {
        cursor: usize,
        seq: u64,
        attempt: u32,
    },
    Floors(Vec<(usize, u64)>),
    Open {
        cursor: usize,
        floor: u64,
    },
    Absent {
        cursor: usize,
        since_ns: u64,
    },
    Retire(Vec<usize>),
    Dead(u8),
    DeadGone(Vec<u8>),
    Restart,
    Crash,
}

fn step() -> impl Strategy<Value = Step> {
    let cursor = 0..CURSORS.len();
    let state = vec((0u8..4, prop::option::of(any::<u8>())), 0..3);
    let settle =
        (cursor.clone(), 0u64..40, any::<bool>(), vec(any::<u8>(), 0..3), state, prop::option::weighted(0.2, 0u8..9));
    prop_oneof![
        12 => any::<u8>().prop_map(|id| Step::Append { id }),
        10 => settle.prop_map(|(cursor, seq, to_floor, published, state, dead)| {
            Step::Settle { cursor, seq, to_floor, published, state, dead }
        }),
        4 => (cursor.clone(), 1u64..40, 2u32..9).prop_map(|(cursor, seq, attempt)| Step::Retry { cursor, seq, attempt }),
        3 => vec((cursor.clone(), 0u64..40), 0..3).prop_map(Step::Floors),
        5 => (cursor.clone(), 0u64..10).prop_map(|(cursor, floor)| Step::Open { cursor, floor }),
        1 => (cursor.clone(), any::<u64>()).prop_map(|(cursor, since_ns)| Step::Absent { cursor, since_ns }),
        1 => vec(cursor, 0..3).prop_map(Step::Retire),
        2 => (0u8..9).prop_map(Step::Dead),
        1 => vec(0u8..9, 0..3).prop_map(Step::DeadGone),
        2 => Just(Step::Restart),
        2 => Just(Step::Crash),
    ]
}

#[derive(Debug, Clone, Default, PartialEq)]
struct Cursor {
    floor: u64,
    settled: BTreeSet<u64>,
    retries: BTreeMap<u64, u32>,
    absent: Option<u64>,
    state: BTreeMap<String, String>,
}

/// What must be in the journal.
#[derive(Debug, Clone, Default, PartialEq)]
struct Model {
    /// Ids, in the order of their numbers.
    events: Vec<String>,
    cursors: BTreeMap<String, Cursor>,
    dead: BTreeSet<u64>,
}

impl Model {
    fn append(&mut self, id: &str) -> Outcome {
        let seq = |place: usize| u64::try_from(place).unwrap() + 1;
        if let Some(place) = self.events.iter().position(|known| known == id) {
            return Outcome::Duplicate { id: id.into(), seq: seq(place) };
        }
        self.events.push(id.into());
        Outcome::New { id: id.into(), seq: seq(self.events.len() - 1) }
    }

    fn raise(&mut self, cursor: &str, floor: u64) {
        if let Some(cursor) = self.cursors.get_mut(cursor).filter(|cursor| cursor.floor < floor) {
            cursor.floor = floor;
            cursor.settled.retain(|seq| *seq > floor);
            cursor.retries.retain(|seq, _| *seq > floor);
        }
    }

    /// Carries a step out; gives the write that should do the same, and what must be told.
    fn apply(&mut self, step: &Step) -> (Write, Vec<Outcome>) {
        match step {
            Step::Append { id } => {
                let id = format!("event-{id}");
                (Write::Append(Box::new(append(event(&id)))), vec![self.append(&id)])
            }
            Step::Settle { cursor, seq, to_floor, published, state, dead } => {
                let ids: Vec<_> = published.iter().map(|id| format!("event-{id}")).collect();
                let told = ids.iter().map(|id| self.append(id)).collect();
                self.dead.extend(dead.map(u64::from));
                let cursor = CURSORS[*cursor];
                let floor = if *to_floor { *seq } else { 0 };
                self.raise(cursor, floor);
                if let Some(cursor) = self.cursors.get_mut(cursor) {
                    if *seq > cursor.floor {
                        cursor.settled.insert(*seq);
                    }
                    cursor.retries.remove(seq);
                    for (key, value) in state {
                        match value {
                            Some(value) => cursor.state.insert(key.to_string(), value.to_string()),
                            None => cursor.state.remove(&key.to_string()),
                        };
                    }
                }
                let settle = Settle {
                    cursor: name(cursor),
                    seq: *seq,
                    floor,
                    published: ids.iter().map(|id| append(event(id))).collect(),
                    state: state.iter().map(state_write).collect(),
                    dead: dead.map(|id| Box::new(letter(id))),
                };
                (Write::Settle(Box::new(settle)), told)
            }
            _ => (self.apply_quiet(step), Vec::new()),
        }
    }

    /// As [`Self::apply`], for steps of which nothing is told.
    fn apply_quiet(&mut self, step: &Step) -> Write {
        match step {
            Step::Retry { cursor, seq, attempt } => {
                let cursor = CURSORS[*cursor];
                if let Some(cursor) = self.cursors.get_mut(cursor).filter(|cursor| *seq > cursor.floor) {
                    cursor.retries.insert(*seq, *attempt);
                }
                Write::Retry(Box::new(retry(cursor, *seq, *attempt)))
            }
            Step::Floors(floors) => {
                floors.iter().for_each(|(cursor, floor)| self.raise(CURSORS[*cursor], *floor));
                Write::Floors(floors.iter().map(|(cursor, floor)| (name(CURSORS[*cursor]), *floor)).collect())
            }
            Step::Open { cursor, floor } => {
                let cursor = CURSORS[*cursor];
                let made = self.cursors.entry(cursor.into());
                made.or_insert_with(|| Cursor { floor: *floor, ..Cursor::default() }).absent = None;
                Write::Open { cursor: name(cursor), floor: *floor }
            }
            Step::Absent { cursor, since_ns } => {
                let cursor = CURSORS[*cursor];
                if let Some(cursor) = self.cursors.get_mut(cursor) {
                    cursor.absent = Some(*since_ns);
                }
                Write::Absent { cursor: name(cursor), since_ns: *since_ns }
            }
            Step::Retire(cursors) => {
                cursors.iter().for_each(|cursor| drop(self.cursors.remove(CURSORS[*cursor])));
                Write::Retire(cursors.iter().map(|cursor| name(CURSORS[*cursor])).collect())
            }
            Step::Dead(id) => {
                self.dead.insert((*id).into());
                Write::Dead(Box::new(letter(*id)))
            }
            Step::DeadGone(ids) => {
                self.dead.retain(|dead| !ids.iter().any(|id| u64::from(*id) == *dead));
                Write::DeadGone(ids.iter().map(|id| u64::from(*id)).collect())
            }
            Step::Append { .. } | Step::Settle { .. } | Step::Restart | Step::Crash => unreachable!("{step:?}"),
        }
    }
}

fn state_write((key, value): &(u8, Option<u8>)) -> StateWrite {
    let (bucket, key): (Arc<str>, Arc<str>) = ("b".into(), key.to_string().into());
    match value {
        Some(value) => StateWrite::Set { bucket, key, value: value.to_string().into() },
        None => StateWrite::Delete { bucket, key },
    }
}

fn retry(cursor: &str, seq: u64, attempt: u32) -> Retry {
    Retry { cursor: name(cursor), seq, attempt, due_ns: seq * 7, history: Vec::new() }
}

fn letter(id: u8) -> DeadLetter {
    let reason = DeadReason::Rejected("no".into());
    let event = Arc::new(Event { seq: 5, ..event(id) });
    DeadLetter { id: id.into(), event, subscription: None, reason, attempts: Vec::new(), time_ns: 3 }
}

/// What is in a journal that was just opened.
fn found(rig: &Rig) -> Model {
    let ids = rig.ids();
    for (place, (seq, _)) in ids.iter().enumerate() {
        assert_eq!(*seq, u64::try_from(place).unwrap() + 1);
    }
    let cursors = rig.recovered.cursors.iter().map(|cursor| {
        for read in &cursor.retries {
            assert_eq!(*read, retry(cursor.name.as_str(), read.seq, read.attempt));
        }
        let state = rig.state(cursor.name.as_str());
        let value = |value: &[u8]| String::from_utf8_lossy(value).into_owned();
        let cursor_model = Cursor {
            floor: cursor.floor,
            settled: cursor.settled.iter().copied().collect(),
            retries: cursor.retries.iter().map(|retry| (retry.seq, retry.attempt)).collect(),
            absent: cursor.absent_since_ns,
            state: state.iter().map(|entry| (entry.key.to_string(), value(&entry.value))).collect(),
        };
        (cursor.name.to_string(), cursor_model)
    });
    Model {
        events: ids.into_iter().map(|(_, id)| id).collect(),
        cursors: cursors.collect(),
        dead: rig.recovered.dead.iter().map(|letter| letter.id).collect(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, max_shrink_iters: 400, ..ProptestConfig::default() })]

    #[test]
    fn a_journal_is_what_the_model_says(steps in vec(step(), 1..80), batch_writes_max in 1usize..6) {
        let root = tempfile::tempdir().unwrap();
        let mut dir = root.path().join("0");
        let config = |dir: &std::path::Path| JournalConfig { batch_writes_max, ..JournalConfig::new(dir) };
        let mut rig = Rig::with(config(&dir)).unwrap();
        let (mut model, mut told) = (Model::default(), Vec::new());
        for (number, step) in steps.iter().enumerate() {
            match step {
                Step::Restart | Step::Crash => {
                    rig.flush();
                    prop_assert_eq!(rig.told.wait(told.len()), std::mem::take(&mut told));
                    if matches!(step, Step::Crash) {
                        // The files as a killed process leaves them, with nothing written back.
                        let to = root.path().join((number + 1).to_string());
                        std::fs::create_dir(&to).unwrap();
                        for file in ["journal.db", "journal.db-wal", "journal.lock"] {
                            std::fs::copy(dir.join(file), to.join(file)).unwrap();
                        }
                        dir = to;
                    }
                    wait(plugbus_bus::journal::Journal::close(&rig.journal));
                    rig = Rig::with(config(&dir)).unwrap();
                    prop_assert_eq!(found(&rig), model.clone());
                }
                step => {
                    let (write, outcomes) = model.apply(step);
                    rig.write(write);
                    told.extend(outcomes);
                }
            }
        }
        rig.flush();
        prop_assert_eq!(rig.told.wait(told.len()), told);
        rig.close();
        prop_assert_eq!(found(&Rig::with(config(&dir)).unwrap()), model);
    }
}
