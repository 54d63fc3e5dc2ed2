use serde_json::{Value, json};

use super::super::evidence::{DeadLetter, Told};
use super::super::files::Written;
use super::*;

/// Eighteen events of `a`, all acknowledged, handled by everybody and passed on by those who do that; the daemon was killed
/// once, and one event came again.
fn sound() -> Evidence {
    let mut journal: Vec<Entry> = Vec::new();
    let add = |id: String, source: &str, topic: &str, number: u64, journal: &mut Vec<Entry>| {
        let (seq, source, topic) = (journal.len() as u64 + 1, source.to_owned(), topic.to_owned());
        journal.push(Entry { seq, id, source, topic, text: text("a", number) });
    };
    for number in 1..=18 {
        add(id("a", number), "a", "crash.a", number, &mut journal);
        for plugin in PLUGINS.iter().filter(|plugin| !plugin.rejects(number)) {
            if let Some(topic) = plugin.publishes {
                add(format!("{topic} of {number}"), &format!("plugin/{}", plugin.name), topic, number, &mut journal);
            }
        }
    }
    let accepted = streamed(&journal).map(|((_, number), entry)| (number, entry.seq)).collect();
    let published = Published { source: "a".into(), repeats: true, sent: 18, accepted, duplicates: 1 };
    let dead =
        DeadLetter { plugin: "unsteady".into(), kind: "rejected".into(), event: id("a", 17), reason: "r".into() };
    let stats = stats(journal.len());
    let handled =
        PLUGINS.iter().filter(|plugin| plugin.writes.is_some()).map(|plugin| (plugin.name, written(plugin, &journal)));
    let handled = handled.collect();
    let counted = [("count", 18)].into();
    let told = Told { journal, dead: vec![dead], counted, stats };
    Evidence { published: vec![published], told, handled, ..Evidence::default() }
}

fn written(plugin: &Plugin, journal: &[Entry]) -> Written {
    let wanted = journal.iter().filter(|entry| entry.topic.starts_with(plugin.filter.trim_end_matches('>')));
    let one = |entry: &Entry, life| {
        let (source, number) = of_text(&entry.text).unwrap();
        Handled { topic: entry.topic.clone(), source: source.into(), number, life }
    };
    let mut handled: Vec<Handled> = wanted.clone().take(10).map(|entry| one(entry, 0)).collect();
    handled.extend(wanted.skip(9).map(|entry| one(entry, 1)));
    Written { handled, torn: 1 }
}

fn stats(last: usize) -> Value {
    let one = |plugin: &Plugin| {
        let dead = u64::from(plugin.rejects_every.is_some());
        json!({
            "name": format!("plugin/{}", plugin.name), "matched": 9, "acked": 9 - dead, "dead": dead, "retried": 2,
            "conflicts": 0, "attempts": 11, "waiting": 0, "in_flight": 0, "dropped": 0, "discarded": 0, "full": 0,
            "durable": { "floor": last, "backlog": 0, "retired": 0 },
        })
    };
    json!({
        "journal": { "first_seq": 1, "last_seq": last, "refused": 0, "retired": 0, "commits_failed": 0, "trouble": null },
        "bus": { "journal_refused": 0, "outbox_refused": 0, "dead_letters": { "held": 1 } },
        "subscriptions": PLUGINS.iter().map(one).collect::<Vec<_>>(),
    })
}

/// What is said about a run in which one thing is changed.
fn said(change: impl FnOnce(&mut Evidence)) -> Vec<String> {
    let mut evidence = sound();
    change(&mut evidence);
    problems(&evidence)
}

fn position(evidence: &Evidence, topic: &str, number: u64) -> usize {
    let is = |entry: &Entry| entry.topic == topic && entry.text == text("a", number);
    evidence.told.journal.iter().position(is).unwrap()
}

#[test]
fn a_sound_run_has_no_problems() {
    assert_eq!(said(|_| {}), Vec::<String>::new());
}

#[test]
fn what_was_acknowledged_and_is_not_there_is_a_problem() {
    let lost = said(|evidence| {
        evidence.published[0].accepted.insert(19, 60);
        evidence.published[0].sent = 19;
    });
    assert_eq!(lost.len(), 2, "{lost:?}");
    assert!(lost[0].starts_with("acknowledged to a, and not in the journal under that number: 1 times: (19, 60)"));
    assert!(lost[1].starts_with("sent by a until it was acknowledged, and not in the journal: 1 times: 19"));
    let moved = said(|evidence| {
        evidence.published[0].accepted.insert(3, 1);
    });
    assert!(moved[0].contains("(3, 1)"), "{moved:?}");
}

#[test]
fn what_nobody_sent_or_what_is_there_twice_is_a_problem() {
    let strange = said(|evidence| evidence.published[0].sent = 17);
    assert!(strange[0].starts_with("in the journal, and not as a sent it: 1 times"), "{strange:?}");
    let twice = said(|evidence| {
        let mut again = evidence.told.journal[0].clone();
        again.seq = evidence.told.journal.len() as u64 + 1;
        evidence.told.journal.push(again);
    });
    assert!(twice[0].starts_with("an event is in the journal twice"), "{twice:?}");
    let gap = said(|evidence| evidence.told.journal.iter_mut().skip(5).for_each(|entry| entry.seq += 1));
    assert!(gap[0].starts_with("the journal has gaps"), "{gap:?}");
}

#[test]
fn an_event_that_a_plugin_published_twice_or_not_at_all_is_a_problem() {
    let twice = said(|evidence| {
        let mut again = evidence.told.journal[position(evidence, "out.relay", 4)].clone();
        (again.seq, again.id) = (evidence.told.journal.len() as u64 + 1, "another id".into());
        evidence.told.journal.push(again);
    });
    assert!(
        twice.iter().any(|problem| problem.starts_with("published twice by relay: 1 times: (\"a\", 4)")),
        "{twice:?}"
    );
    let topic = |to: &'static str| {
        move |evidence: &mut Evidence| {
            let place = position(evidence, "out.unsteady", 4);
            evidence.told.journal[place].topic = to.into();
        }
    };
    let missing = said(topic("out.other"));
    let expected = "handled by unsteady, and not published: 1 times: (\"a\", 4)";
    assert!(missing.iter().any(|problem| problem == expected), "{missing:?}");
    let rejected = said(|evidence| {
        let place = position(evidence, "out.unsteady", 18);
        evidence.told.journal[place].text = text("a", 17);
    });
    assert!(rejected.iter().any(|problem| problem.starts_with("published by unsteady, and it should not have been")));
}

#[test]
fn an_event_that_was_never_given_or_out_of_its_turn_is_a_problem() {
    let change = |change: fn(&mut Vec<Handled>)| {
        said(move |evidence| change(&mut evidence.handled.get_mut("keyed").unwrap().handled))
    };
    let missing = change(|handled| handled.retain(|one| one.number != 5));
    assert!(missing[0].starts_with("in the journal, and never given to keyed: 1 times"), "{missing:?}");
    let strange = change(|handled| handled[3].number = 99);
    assert!(strange.iter().any(|problem| problem.starts_with("given to keyed, and not in the journal")), "{strange:?}");
    let turned = change(|handled| handled.swap(3, 4));
    assert_eq!(turned.len(), 2, "{turned:?}");
    assert!(
        turned[0].starts_with("given to keyed for the first time after a later one on crash.a of a: 1 times: (5, 4)")
    );
    let again = change(|handled| {
        let old = handled[2].clone();
        handled.insert(8, old);
    });
    assert!(again[0].starts_with("given to keyed after a later one within one life on crash.a of a"), "{again:?}");
}

#[test]
fn a_dead_letter_too_many_or_too_few_is_a_problem() {
    let none = said(|evidence| {
        evidence.told.dead.clear();
        evidence.told.stats["bus"]["dead_letters"]["held"] = json!(0);
    });
    assert!(none[0].starts_with("rejected, and no dead letter: 1 times"), "{none:?}");
    let twice = said(|evidence| {
        evidence.told.dead.push(evidence.told.dead[0].clone());
        evidence.told.stats["bus"]["dead_letters"]["held"] = json!(2);
    });
    assert!(twice[0].starts_with("two dead letters of one delivery"), "{twice:?}");
    let strange = said(|evidence| evidence.told.dead[0].kind = "exhausted".into());
    assert!(strange[0].starts_with("a dead letter without a cause"), "{strange:?}");
}

#[test]
fn a_count_that_is_not_exact_is_a_problem() {
    for wrong in [17, 19] {
        let said = said(|evidence| {
            evidence.told.counted.insert("count", wrong);
        });
        assert_eq!(said, [format!("count has counted Some({wrong}) events of 18")]);
    }
}

#[test]
fn counters_that_do_not_add_up_are_problems() {
    for (pointer, value) in [
        ("/journal/last_seq", json!(3)),
        ("/journal/trouble", json!("no room")),
        ("/bus/outbox_refused", json!(1)),
        ("/subscriptions/0/durable/backlog", json!(1)),
        ("/subscriptions/1/attempts", json!(12)),
        ("/subscriptions/2/acked", json!(8)),
        ("/subscriptions/3/name", json!("plugin/other")),
    ] {
        let problems = said(|evidence| *evidence.told.stats.pointer_mut(pointer).unwrap() = value);
        assert!(!problems.is_empty(), "{pointer}");
    }
    assert_eq!(
        said(|evidence| evidence.complaints.push("x".into())),
        ["the log of a daemon complains: 1 times: \"x\""]
    );
}
