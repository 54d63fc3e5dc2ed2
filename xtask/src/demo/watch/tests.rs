use super::*;

#[test]
fn lines_of_tail_become_events_and_what_is_missed_is_counted() {
    let mut seen = Seen::default();
    for line in [
        r#"{"id":"1","type":"hook.raw","time":"1970-01-01T00:00:01Z","data":{"a":1},"seq":1}"#,
        r#"{"id":"2","type":"hook.stop","time":"1970-01-01T00:00:01.5Z","normalizer":"n/1"}"#,
        r#"{"id":"3","type":"plugbus.plugin.loaded","time":"1970-01-01T00:00:02Z","data":{"plugin":"p"}}"#,
        r#"{"missed":7}"#,
        "cut of",
        r#"{"id":"4","type":"x"}"#,
    ] {
        seen.take(line);
    }
    assert_eq!((seen.events.len(), seen.missed), (3, 9));
    assert_eq!(seen.raw().map(|event| event.time_ns).collect::<Vec<_>>(), [1_000_000_000]);
    assert_eq!(seen.normalized().filter_map(|event| event.normalizer.as_deref()).collect::<Vec<_>>(), ["n/1"]);
    assert_eq!(seen.about("plugbus.plugin.loaded", "p").unwrap().id, "3");
    assert!(seen.about("plugbus.plugin.loaded", "q").is_none());
    assert_eq!(seen.per_topic(), [("hook.raw".to_owned(), 1), ("hook.stop".to_owned(), 1)].into());
}
