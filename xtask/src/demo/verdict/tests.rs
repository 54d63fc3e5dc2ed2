use super::super::facts::Facts;
use super::super::samples;
use super::*;

type Change = fn(&mut Facts);

/// A demo that adds up, but for one thing.
fn but(change: impl FnOnce(&mut Facts)) -> (u64, Vec<String>) {
    let mut facts = samples::facts();
    change(&mut facts);
    (lost(&facts).iter().map(|(_, count)| count).sum(), problems(&facts))
}

fn plugin<'a>(facts: &'a mut Facts, name: &str) -> &'a mut Plugin {
    facts.plugins.iter_mut().find(|plugin| plugin.name == name).unwrap()
}

#[test]
fn a_demo_in_which_everything_arrived_has_no_problem() {
    assert_eq!(but(|_| {}), (0, vec![]));
}

#[test]
fn each_loss_is_counted_and_named() {
    let table: [(&str, Change); 7] = [
        ("lines without an answer", |facts| facts.lines += 1),
        ("came out of normalize-hooks as nothing", |facts| {
            facts.seen.events.retain(|event| event.id != "hook3");
            facts.logged.retain(|id| id != "hook3");
            facts.posts.taken.retain(|taken| taken.id != "hook3");
        }),
        ("not in the file of log-jsonl", |facts| drop(facts.logged.pop())),
        ("did not bring to its webhook", |facts| drop(facts.posts.taken.remove(2))),
        ("deliveries to count-topics unaccounted", |facts| plugin(facts, COUNT).acked -= 1),
        ("deliveries to relay-webhook unaccounted", |facts| plugin(facts, RELAY).matched += 1),
        ("deliveries to traps unaccounted", |facts| drop(facts.dead.remove(0))),
    ];
    for (expected, change) in table {
        let (lost, problems) = but(change);
        assert_eq!(lost, 1, "{expected}: {problems:?}");
        assert!(
            problems.iter().any(|problem| problem.starts_with("lost: 1 ") && problem.contains(expected)),
            "{problems:?}"
        );
    }
}

#[test]
fn what_waits_for_a_good_plugin_is_not_lost_but_not_handled_either() {
    let (lost, problems) = but(|facts| {
        let log = plugin(facts, LOG);
        (log.acked, log.waiting) = (log.acked - 1, 1);
    });
    assert_eq!((lost, problems), (0, vec!["log-jsonl was to handle 8 events and handled 7".to_owned()]));
}

#[test]
fn whatever_else_does_not_fit_is_a_sentence() {
    let table: [(&str, Change); 20] = [
        ("`tail` missed 3 events", |facts| facts.seen.missed = 3),
        ("`tail` saw other hooks", |facts| facts.accepted.swap(0, 1)),
        ("1 events came twice to the file of log-jsonl", |facts| facts.logged.push("hook0".into())),
        ("1 events came twice to the webhook", |facts| facts.posts.taken.push(facts.posts.taken[0].clone())),
        ("events came to the file of log-jsonl that `tail` never saw", |facts| facts.logged.push("x".into())),
        ("no retry was seen", |facts| facts.posts.refused = 0),
        ("its webhook saw (10, 1)", |facts| facts.posts.received += 1),
        ("count-topics counted otherwise than `tail` saw on 1 topics, as hook.stop", |facts| {
            *facts.counted.get_mut("hook.stop").unwrap() += 1
        }),
        ("1 events too many", |facts| drop(facts.seen.events.remove(6))),
        ("hook 1 did not come out in its place", |facts| facts.seen.events.swap(1, 3)),
        ("hook 4 did not come out in its place, or not as it was", |facts| {
            facts.seen.events[7].data["data"]["n"] = 9.into()
        }),
        ("the daemon counts 2 reloads", |facts| facts.reloads = 2),
        ("the old build handled 4 hooks and the changed one 0", |facts| {
            facts.seen.events.iter_mut().for_each(|event| event.normalizer = None);
        }),
        ("after the changed one took over", |facts| facts.seen.events[7].normalizer = None),
        ("relay-webhook faulted: 1 × deadline", |facts| plugin(facts, RELAY).faults = [("deadline".into(), 1)].into()),
        ("traps was to fault with `trap` alone, and did with nothing", |facts| plugin(facts, TRAPS).faults.clear()),
        ("does not say which limit was hit", |facts| plugin(facts, SPINS).last_fault = None),
        ("spins was not suspended", |facts| facts.seen.events.retain(|event| event.id != SPINS)),
        ("not-a-component was not refused", |facts| facts.rejections.clear()),
        ("log-jsonl has an unexplained dead letter", |facts| {
            facts.dead.push(DeadLetter { plugin: LOG.into(), ..DeadLetter::default() });
        }),
    ];
    for (expected, change) in table {
        let (_, problems) = but(change);
        assert!(problems.iter().any(|problem| problem.contains(expected)), "{expected}: {problems:?}");
    }
    let unsettled = but(|facts| facts.is_settled = false).1;
    assert_eq!(unsettled.len(), 1, "{unsettled:?}");
    let missing = but(|facts| facts.plugins.retain(|plugin| plugin.name != SPINS)).1;
    assert!(missing.iter().any(|problem| problem.contains("spins was to fault with `fuel` alone")), "{missing:?}");
}
