//! Keys of the manifest whose effect shows only when a component runs on a host: what is parsed must not be ignored.

use plugbus_fixtures::built;

use super::real::{Input, Real};

async fn fixture(name: &str, manifest: &str) -> Real {
    Real::start_file(&built::fixture(name), manifest).await
}

fn event(data: &str) -> Input {
    numbered(1, data)
}

/// An event with an id of its own: the same one again would not be delivered.
fn numbered(number: u32, data: &str) -> Input {
    Input::new("a", &number.to_string(), "text/plain", data)
}

#[tokio::test]
async fn error_bytes_cut_the_reason_of_a_failure() {
    for (limit, longest) in [("", 4096 + 100), ("[limits]\nerror_bytes = 64\n", 64 + 100)] {
        let real = fixture("reject", limit).await;
        let reason = real.send(&event(&"r".repeat(10_000))).await.unwrap_err();
        assert!(reason.starts_with("reject: rrrr") && reason.len() <= longest, "{limit}: {} bytes", reason.len());
        real.stop().await;
    }
}

#[tokio::test]
async fn reply_bytes_bound_a_reply() {
    let manifest = "[retry]\nattempts = 1\n[config]\nbytes = 100\n[limits]\nreply_bytes = ";
    let fits = fixture("huge-result", &format!("{manifest}100")).await;
    assert_eq!(fits.send(&event("x")).await.unwrap().unwrap().1.len(), 100);
    fits.stop().await;
    let over = fixture("huge-result", &format!("{manifest}99")).await;
    let reason = over.send(&event("x")).await.unwrap_err();
    assert!(reason.starts_with("contract: ") && reason.contains("99"), "{reason}");
    over.stop().await;
}

#[tokio::test]
async fn retry_after_max_bounds_the_delay_that_a_plugin_asks_for() {
    // An hour, three times: without the bound the test would not end.
    let real = fixture("retry-twice", "[retry]\nretry_after_max_ms = 10\n[config]\nafter_ms = 3600000\n").await;
    assert_eq!(real.send(&event("x")).await.unwrap().unwrap().1, b"attempt 3");
    real.stop().await;
}

#[tokio::test]
async fn source_and_filters_choose_the_events() {
    for (manifest, reaches) in [
        ("source = \"test\"\n", true),
        ("source = \"te*\"\n", true),
        ("source = \"other\"\n", false),
        ("filters = [\"a\"]\n", true),
        ("filters = [\"b\"]\n", false),
    ] {
        let real = fixture("noop", manifest).await;
        assert_eq!(real.offer(&event("x")).await.is_some(), reaches, "{manifest}");
        real.stop().await;
    }
}

#[tokio::test]
async fn fresh_forgets_from_event_to_event() {
    for (manifest, counted) in [("", ["1", "2", "3"]), ("fresh = true\n", ["1", "1", "1"])] {
        let real = fixture("count", manifest).await;
        for (number, expected) in (1..).zip(counted) {
            assert_eq!(real.send(&numbered(number, "x")).await.unwrap().unwrap().1, expected.as_bytes(), "{manifest}");
        }
        real.stop().await;
    }
}
