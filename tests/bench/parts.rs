//! Tests of what is pure in the figures. They are here and not beside it, for the program that takes figures has no test harness.

#![allow(clippy::expect_used, reason = "as in the program")]

use std::time::Duration;

use packet::{Packet, number, parse};
use percentile::{per_mille, percentile as per_cent};

#[path = "figures/packet.rs"]
mod packet;
#[path = "figures/percentile.rs"]
mod percentile;

#[test]
fn packets_are_told_apart() {
    assert_eq!(parse("2"), Packet::Ping);
    assert_eq!(parse("430[{\"ok\":true}]"), Packet::Answer("[{\"ok\":true}]"));
    assert_eq!(parse("42[\"event\",{\"n\":1}]"), Packet::Event("event", "{\"n\":1}]"));
    for other in ["", "0{\"sid\":\"a\"}", "40{\"sid\":\"a\"}", "42[1]", "6"] {
        assert_eq!(parse(other), Packet::Other, "{other}");
    }
}

#[test]
fn a_number_is_found_behind_its_key() {
    assert_eq!(number(r#"{"data":{"t":1234,"n":7}}]"#, "t"), Some(1234));
    assert_eq!(number(r#"{"t":12"#, "t"), Some(12));
    for none in [r#"{"t":"x"}"#, r#"{"u":1}"#, r#"{"t":99999999999999999999999}"#] {
        assert_eq!(number(none, "t"), None, "{none}");
    }
}

#[test]
fn a_percentile_is_the_least_that_so_many_do_not_exceed() {
    let millis = |numbers: &[u64]| numbers.iter().copied().map(Duration::from_millis).collect::<Vec<_>>();
    let mut hundred = millis(&(1..=100).rev().collect::<Vec<_>>());
    for (part, expected) in [(0, 1), (500, 50), (501, 51), (990, 99), (999, 100), (1000, 100)] {
        assert_eq!(per_mille(&mut hundred, part), Duration::from_millis(expected), "{part}");
    }
    assert_eq!(per_cent(&mut hundred, 99), Duration::from_millis(99));
    assert_eq!(per_cent(&mut millis(&[7]), 50), Duration::from_millis(7));
    assert_eq!(per_cent(&mut millis(&[3, 1, 2]), 50), Duration::from_millis(2));
}
