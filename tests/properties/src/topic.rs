//! Topics and filters, held against rules and a matcher that are written down as simply as can be.

use plugbus::bus::{Bus, Filter, Topic};
use plugbus_sdk::topic as sdk;

use crate::message;

/// Three lines: two filters and a topic. The bus, its routing table and the SDK agree with the naive rules on what is valid
/// and what matches.
pub fn topic(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let mut lines = text.splitn(3, '\n');
    let mut next = || lines.next().unwrap_or_default();
    let (wide, narrow, topic) = (next(), next(), next());
    for text in [wide, narrow, topic] {
        check_text(text);
    }
    let (Ok(wide), Ok(narrow), Ok(topic)) = (Filter::parse(wide), Filter::parse(narrow), Topic::parse(topic)) else {
        return;
    };
    for filter in [&wide, &narrow] {
        let naive = naive_matches(filter.as_str(), topic.as_str());
        assert_eq!(filter.matches(&topic), naive, "{filter} on {topic}");
        assert_eq!(sdk::matches(filter.as_str(), topic.as_str()), naive, "{filter} on {topic} in the SDK");
    }
    if wide.covers(&narrow) && narrow.matches(&topic) {
        assert!(wide.matches(&topic), "{wide} covers {narrow} and misses {topic}");
    }
    check_route(&[wide, narrow], &topic);
}

/// One text, as a topic, as a filter and as a name that a token is made of.
fn check_text(text: &str) {
    let (as_topic, as_filter) = (Topic::parse(text), Filter::parse(text));
    assert_eq!(as_topic.is_ok(), naive_is_valid(text, false), "topic {text:?}: {as_topic:?}");
    assert_eq!(as_filter.is_ok(), naive_is_valid(text, true), "filter {text:?}: {as_filter:?}");
    assert_eq!(as_topic.is_ok(), sdk::check(text).is_ok(), "topic {text:?} in the SDK");
    assert_eq!(as_filter.is_ok(), sdk::check_filter(text).is_ok(), "filter {text:?} in the SDK");
    for error in [as_topic.err(), as_filter.err()].into_iter().flatten() {
        message::check(&error.to_string());
    }
    if let Some(token) = sdk::token(text) {
        assert!(naive_is_valid(&token, false) && !token.contains('.'), "{token:?} of {text:?}");
    }
}

/// The routing table of a bus finds what the naive matcher finds.
fn check_route(filters: &[Filter], topic: &Topic) {
    let bus = Bus::default();
    let subscribe = |(index, filter): (usize, &Filter)| {
        let subscription = bus.subscribe(filter.clone()).name(format!("s{index}"));
        subscription.inline(|_: &plugbus::bus::Delivery| ()).unwrap()
    };
    let _subscriptions: Vec<_> = filters.iter().enumerate().map(subscribe).collect();
    let found: Vec<String> = bus.matching(topic).iter().map(ToString::to_string).collect();
    let naive = filters.iter().enumerate().filter(|(_, filter)| naive_matches(filter.as_str(), topic.as_str()));
    assert_eq!(found, naive.map(|(index, _)| format!("s{index}")).collect::<Vec<_>>(), "{filters:?} on {topic}");
}

fn naive_is_valid(text: &str, is_filter: bool) -> bool {
    let tokens: Vec<&str> = text.split('.').collect();
    let is_plain = |token: &str| {
        !token.is_empty() && token.chars().all(|c| !c.is_whitespace() && !c.is_control() && c != '*' && c != '>')
    };
    let is_wildcard = |place: usize| tokens[place] == "*" || (tokens[place] == ">" && place + 1 == tokens.len());
    let fits = |place: usize| is_plain(tokens[place]) || (is_filter && is_wildcard(place));
    (1..=255).contains(&text.len()) && tokens.len() <= 16 && (0..tokens.len()).all(fits)
}

fn naive_matches(filter: &str, topic: &str) -> bool {
    let filter: Vec<&str> = filter.split('.').collect();
    let topic: Vec<&str> = topic.split('.').collect();
    if topic[0] == "plugbus" && ["*", ">"].contains(&filter[0]) {
        return false;
    }
    rest_matches(&filter, &topic)
}

fn rest_matches(filter: &[&str], topic: &[&str]) -> bool {
    match (filter, topic) {
        ([], []) => true,
        ([">"], [_, ..]) => true,
        (["*", filter @ ..], [_, topic @ ..]) => rest_matches(filter, topic),
        ([a, filter @ ..], [b, topic @ ..]) if a == b => rest_matches(filter, topic),
        _ => false,
    }
}
