//! What to do so that what runs becomes what the folder holds. Pure: no clock, no file, no task.
//!
//! Start-up is a reload from empty: the same plan, with nothing running.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::name::PluginName;
use crate::scan::{Entry, Files, Unusable};

/// What the loader knows of one slot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Known {
    /// The state of the files that was judged last, whatever the judgement was; `None`: judge again.
    pub(crate) judged: Option<Judged>,
    /// Whether a generation runs.
    pub(crate) runs: bool,
    /// Whether a step for this slot is being carried out.
    pub(crate) busy: bool,
    /// How long the file has been missing, where it is.
    pub(crate) absent: Duration,
}

/// A state of a slot's files that has been judged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Judged {
    /// These files were loaded, found unchanged or rejected.
    Files(Files),
    /// The entry was found unusable for this reason.
    Unusable(Unusable),
}

/// What holds for the whole folder.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rules {
    /// Plugins that may be loaded at once.
    pub(crate) plugins_max: usize,
    /// How long a file must be missing before its plugin is unloaded: a file that is deleted and created again keeps its
    /// plugin running in between, or the events in between would find no subscription.
    pub(crate) unload_grace: Duration,
}

/// One thing to do for one slot. At most one for each slot and plan; steps for different slots are independent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Step {
    /// Nothing runs in the slot: load these files.
    Load(PluginName, Files),
    /// A generation runs: load these files in its place.
    Swap(PluginName, Files),
    /// The file is gone: drain the generation and end its subscription.
    Unload(String),
    /// The file is gone, nothing runs: forget the slot.
    Forget(String),
    /// The file is gone, but not for long enough: look again.
    Linger(String),
    /// The entry cannot be a plugin. What runs goes on running.
    Reject(String, Unusable),
    /// A step for this slot is under way, and there is more to do: plan again when it has ended.
    Later(String),
    /// Nothing to do.
    Keep(String),
}

/// Plans the way from what is known to what was found.
pub(crate) fn plan(known: &BTreeMap<String, Known>, found: &BTreeMap<String, Entry>, rules: Rules) -> Vec<Step> {
    let over = over_limit(known, found, rules);
    let present = found.iter().map(|(key, entry)| {
        let too_many = Entry::Unusable(Unusable::TooMany { limit: rules.plugins_max });
        let entry = if over.contains(&key.as_str()) { &too_many } else { entry };
        for_present(key, known.get(key), entry)
    });
    let absent = known.iter().filter(|(key, _)| !found.contains_key(*key));
    present.chain(absent.map(|(key, slot)| for_absent(key, slot, rules.unload_grace))).collect()
}

fn for_present(key: &str, known: Option<&Known>, entry: &Entry) -> Step {
    let seen = match entry {
        Entry::Plugin { files, .. } => Judged::Files(*files),
        Entry::Unusable(why) => Judged::Unusable(why.clone()),
    };
    if known.is_some_and(|slot| slot.judged.as_ref() == Some(&seen)) {
        return Step::Keep(key.to_owned());
    }
    if known.is_some_and(|slot| slot.busy) {
        return Step::Later(key.to_owned());
    }
    match entry {
        Entry::Unusable(why) => Step::Reject(key.to_owned(), why.clone()),
        Entry::Plugin { name, files } if known.is_some_and(|slot| slot.runs) => Step::Swap(name.clone(), *files),
        Entry::Plugin { name, files } => Step::Load(name.clone(), *files),
    }
}

fn for_absent(key: &str, slot: &Known, grace: Duration) -> Step {
    let key = key.to_owned();
    match slot {
        Known { busy: true, .. } => Step::Later(key),
        Known { runs: false, .. } => Step::Forget(key),
        Known { absent, .. } if *absent >= grace => Step::Unload(key),
        _ => Step::Linger(key),
    }
}

/// The plugins beyond the limit: those that run keep their place, those that linger too, then come the first names.
fn over_limit<'a>(known: &BTreeMap<String, Known>, found: &'a BTreeMap<String, Entry>, rules: Rules) -> Vec<&'a str> {
    let holds = |slot: &Known| slot.runs || slot.busy;
    let goes = |key: &String, slot| {
        !found.contains_key(key) && matches!(for_absent(key, slot, rules.unload_grace), Step::Unload(_))
    };
    let held_elsewhere =
        known.iter().filter(|(key, slot)| holds(slot) && !is_plugin(found.get(*key)) && !goes(key, slot)).count();
    let plugins = found.iter().filter(|(_, entry)| is_plugin(Some(entry))).map(|(key, _)| key.as_str());
    let (holding, waiting): (Vec<_>, Vec<_>) = plugins.partition(|key| known.get(*key).is_some_and(holds));
    waiting.into_iter().skip(rules.plugins_max.saturating_sub(holding.len() + held_elsewhere)).collect()
}

fn is_plugin(entry: Option<&Entry>) -> bool {
    matches!(entry, Some(Entry::Plugin { .. }))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::stamp::Stamp;

    const RULES: Rules = Rules { plugins_max: 3, unload_grace: Duration::from_secs(2) };

    fn files(n: u64) -> Files {
        Files { wasm: Stamp::nth(n), manifest: None }
    }
    fn plugin(key: &str, n: u64) -> Entry {
        Entry::Plugin { name: PluginName::parse(key).unwrap(), files: files(n) }
    }
    fn special(key: &str) -> Unusable {
        Unusable::Special { file: format!("{key}.wasm"), kind: "folder" }
    }
    fn running(n: u64) -> Known {
        Known { judged: Some(Judged::Files(files(n))), runs: true, busy: false, absent: Duration::ZERO }
    }
    fn one(known: Option<Known>, found: Option<Entry>) -> Step {
        let known = known.map(|slot| ("p".into(), slot)).into_iter().collect();
        let found = found.map(|entry| ("p".into(), entry)).into_iter().collect();
        let mut steps = plan(&known, &found, RULES);
        assert_eq!(steps.len(), 1, "{steps:?}");
        steps.remove(0)
    }

    #[test]
    fn each_case_has_its_step() {
        let name = PluginName::parse("p").unwrap();
        let key = || "p".to_owned();
        let rejected = |n| Known { runs: false, ..running(n) };
        let busy = |n| Known { busy: true, ..running(n) };
        let unjudged = || Known { judged: None, ..running(1) };
        let absent = |seconds| Known { absent: Duration::from_secs(seconds), ..running(1) };
        let bad = || Entry::Unusable(special("p"));
        let judged_bad = || Known { judged: Some(Judged::Unusable(special("p"))), ..running(1) };
        let table = [
            ("new", None, Some(plugin("p", 1)), Step::Load(name.clone(), files(1))),
            ("same", Some(running(1)), Some(plugin("p", 1)), Step::Keep(key())),
            ("changed", Some(running(1)), Some(plugin("p", 2)), Step::Swap(name.clone(), files(2))),
            ("rejected, same", Some(rejected(1)), Some(plugin("p", 1)), Step::Keep(key())),
            ("rejected, changed", Some(rejected(1)), Some(plugin("p", 2)), Step::Load(name.clone(), files(2))),
            ("to be judged again", Some(unjudged()), Some(plugin("p", 1)), Step::Swap(name.clone(), files(1))),
            ("busy, same", Some(busy(1)), Some(plugin("p", 1)), Step::Keep(key())),
            ("busy, changed", Some(busy(1)), Some(plugin("p", 2)), Step::Later(key())),
            ("busy, gone", Some(busy(1)), None, Step::Later(key())),
            ("gone", Some(absent(0)), None, Step::Linger(key())),
            ("gone for good", Some(absent(2)), None, Step::Unload(key())),
            ("rejected, gone", Some(rejected(1)), None, Step::Forget(key())),
            ("unusable", None, Some(bad()), Step::Reject(key(), special("p"))),
            ("has become unusable", Some(running(1)), Some(bad()), Step::Reject(key(), special("p"))),
            ("still unusable", Some(judged_bad()), Some(bad()), Step::Keep(key())),
            ("usable again", Some(judged_bad()), Some(plugin("p", 1)), Step::Swap(name, files(1))),
        ];
        for (case, known, found, expected) in table {
            assert_eq!(one(known, found), expected, "{case}");
        }
    }

    #[test]
    fn over_the_limit_those_that_run_keep_their_place() {
        let known = [("y".to_owned(), running(1)), ("z".to_owned(), running(1))].into();
        let found = ["a", "b", "y", "z"].map(|key| (key.to_owned(), plugin(key, 1))).into();
        let rejected: Vec<_> = plan(&known, &found, RULES)
            .into_iter()
            .filter_map(|step| match step {
                Step::Reject(key, Unusable::TooMany { limit: 3 }) => Some(key),
                _ => None,
            })
            .collect();
        assert_eq!(rejected, ["b"]);
    }

    fn any_known() -> impl Strategy<Value = Known> {
        let judged = prop_oneof![
            Just(None),
            (0u64..3).prop_map(|n| Some(Judged::Files(files(n)))),
            Just(Some(Judged::Unusable(special("x"))))
        ];
        (judged, any::<bool>(), any::<bool>(), 0u64..4).prop_map(|(judged, runs, busy, seconds)| Known {
            judged,
            runs,
            busy,
            absent: Duration::from_secs(seconds),
        })
    }

    fn any_entry() -> impl Strategy<Value = Option<u64>> {
        prop::option::of(0u64..3)
    }

    proptest! {
        #[test]
        fn carrying_out_a_plan_leaves_nothing_to_do_and_never_exceeds_the_limit(
            known in prop::collection::btree_map("[a-f]", any_known(), 0..6),
            found in prop::collection::btree_map("[a-f]", any_entry(), 0..6),
        ) {
            let found: BTreeMap<String, Entry> = found.into_iter().map(|(key, n)| {
                let entry = n.map_or_else(|| Entry::Unusable(special(&key)), |n| plugin(&key, n));
                (key, entry)
            }).collect();
            let mut slots = known.clone();
            for step in plan(&known, &found, RULES) {
                apply(&mut slots, &known, step)?;
            }
            for step in plan(&slots, &found, RULES) {
                prop_assert!(matches!(step, Step::Keep(_) | Step::Linger(_) | Step::Later(_)), "{:?}", step);
            }
            let before = known.values().filter(|slot| slot.runs || slot.busy).count();
            let after = slots.values().filter(|slot| slot.runs).count();
            prop_assert!(after <= RULES.plugins_max.max(before));
        }
    }

    /// Does to the model what the loader does to the slots; a busy one must be left alone.
    fn apply(
        slots: &mut BTreeMap<String, Known>,
        known: &BTreeMap<String, Known>,
        step: Step,
    ) -> Result<(), TestCaseError> {
        let idle = |key: &str| known.get(key).is_none_or(|slot| !slot.busy);
        match step {
            Step::Load(name, files) | Step::Swap(name, files) => {
                prop_assert!(idle(name.as_str()));
                let judged = Some(Judged::Files(files));
                let slot = Known { judged, runs: true, busy: false, absent: Duration::ZERO };
                slots.insert(name.to_string(), slot);
            }
            Step::Unload(key) | Step::Forget(key) => {
                prop_assert!(idle(&key));
                slots.remove(&key);
            }
            Step::Reject(key, why) => {
                prop_assert!(idle(&key));
                let runs = known.get(&key).is_some_and(|slot| slot.runs);
                let judged = Some(Judged::Unusable(why));
                slots.insert(key, Known { judged, runs, busy: false, absent: Duration::ZERO });
            }
            Step::Linger(_) | Step::Later(_) | Step::Keep(_) => {}
        }
        Ok(())
    }
}
