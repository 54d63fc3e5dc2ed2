//! The codec: what goes in comes out, and any bytes are survived.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use super::*;

/// UTF-8 of at most so many bytes, most of it short.
fn text(bytes_max: usize) -> impl Strategy<Value = String> {
    let any = vec(any::<char>(), 0..8).prop_map(|chars| chars.into_iter().collect::<String>());
    prop_oneof![8 => any, 1 => Just("x".repeat(bytes_max)), 1 => Just(String::new())]
        .prop_map(move |text| text.chars().take(bytes_max / 4).collect::<String>() + &"y".repeat(bytes_max % 2))
}

fn topic() -> impl Strategy<Value = Topic> {
    vec("[a-zäß-]{1,7}", 1..=16).prop_map(|tokens| Topic::parse(tokens.join(".")).unwrap())
}

fn event() -> impl Strategy<Value = Event> {
    let extension = (text(EXTENSION_NAME_MAX), text(VALUE_BYTES_MAX));
    let texts = (text(ATTRIBUTE_BYTES_MAX), text(ATTRIBUTE_BYTES_MAX), text(ATTRIBUTE_BYTES_MAX));
    let rest = (vec(any::<u8>(), 0..600), vec(extension, 0..5), any::<u64>(), any::<u64>(), any::<u8>());
    (texts, topic(), option::of(text(VALUE_BYTES_MAX)), rest).prop_map(|(texts, topic, subject, rest)| Event {
        id: texts.0.into(),
        source: texts.1.into(),
        topic,
        subject: subject.map(Into::into),
        time_ns: rest.2,
        payload: Payload::new(texts.2, rest.0),
        extensions: rest.1.into_iter().map(|(name, value)| (name.into(), value.into())).collect(),
        seq: rest.3,
        hops: rest.4,
    })
}

fn sealed(event: &Event, accepted_ns: u64) -> Vec<u8> {
    let mut record = Vec::new();
    encode(event, accepted_ns, &mut record).unwrap();
    record
}

fn plain() -> Event {
    Event {
        id: "1".into(),
        source: "s".into(),
        topic: Topic::parse("a.b").unwrap(),
        subject: None,
        time_ns: 5,
        payload: Payload::text("hello"),
        extensions: Vec::new(),
        seq: 7,
        hops: 0,
    }
}

proptest! {
    #[test]
    fn what_goes_in_comes_out(event in event(), accepted in any::<u64>()) {
        let record = sealed(&event, accepted);
        let read = read(event.seq, &record).unwrap();
        prop_assert_eq!(read.accepted_ns, accepted);
        prop_assert_eq!(accepted_ns(event.seq, &record), Ok(accepted));
        prop_assert_eq!(read.to_event(event.seq), event);
    }

    #[test]
    fn one_changed_bit_is_seen(event in event(), place in any::<prop::sample::Index>(), bit in 0u32..8) {
        let mut record = sealed(&event, 1);
        let place = place.index(record.len());
        record[place] ^= 1u8 << bit;
        prop_assert!(read(event.seq, &record).is_err());
    }

    #[test]
    fn a_cut_record_is_seen(event in event(), keep in any::<prop::sample::Index>()) {
        let record = sealed(&event, 1);
        prop_assert!(read(event.seq, &record[..keep.index(record.len())]).is_err());
    }

    #[test]
    fn any_bytes_are_survived_and_what_is_accepted_is_what_would_be_written(bytes in vec(any::<u8>(), 0..400)) {
        if let Ok(record) = decode(&bytes) {
            let again = sealed(&record.to_event(3), record.accepted_ns);
            prop_assert_eq!(&again[SEAL_BYTES..], &bytes[..]);
        }
        let _ = unseal(1, &bytes);
    }

    #[test]
    fn a_mangled_content_is_survived(
        event in event(),
        changes in vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
    ) {
        let mut content = sealed(&event, 1).split_off(SEAL_BYTES);
        for (place, byte) in changes {
            let place = place.index(content.len());
            content[place] = byte;
        }
        if let Ok(record) = decode(&content) {
            let again = sealed(&record.to_event(3), record.accepted_ns);
            prop_assert_eq!(&again[SEAL_BYTES..], &content[..]);
        }
    }
}

#[test]
fn a_record_under_another_number_does_not_check_out() {
    let record = sealed(&plain(), 1);
    assert!(read(7, &record).is_ok());
    assert!(matches!(read(8, &record), Err(CodecError::Checksum { .. })));
}

#[test]
fn a_newer_version_is_named() {
    let mut record = sealed(&plain(), 1);
    record[0] = 2;
    let error = read(7, &record).unwrap_err();
    assert_eq!(error.to_string(), "it is of version 2, and 1 is the newest that is known here");
}

#[test]
fn what_is_over_a_bound_is_not_written() {
    let long = |event: Event| encode(&event, 0, &mut Vec::new()).unwrap_err();
    assert!(matches!(long(Event { id: "x".repeat(256).into(), ..plain() }), CodecError::TooLong { what: "id", .. }));
    let extensions = vec![("a".into(), "b".into()); EXTENSIONS_MAX + 1];
    assert_eq!(long(Event { extensions, ..plain() }), CodecError::Extensions(EXTENSIONS_MAX + 1));
}

#[test]
fn the_seeds_of_the_fuzz_target_are_records_but_for_the_one_that_is_cut_off() {
    let seeds = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/fuzz/seeds/journal_record");
    for seed in std::fs::read_dir(seeds).unwrap() {
        let path = seed.unwrap().path();
        let read = decode(&std::fs::read(&path).unwrap()).map(drop);
        assert_eq!(read.is_err(), path.ends_with("cut-off"), "{}: {read:?}", path.display());
    }
}

/// The layout is a promise to files that are already written.
#[test]
fn the_layout_stays() {
    let event = Event { subject: Some("x".into()), extensions: vec![("k".into(), "v".into())], hops: 2, ..plain() };
    let record = sealed(&event, 9);
    let content = [
        &9u64.to_le_bytes()[..],
        &5u64.to_le_bytes(),
        &[2, 1, 1, 0],
        b"\x01\x001\x01\x00s\x03\x00a.b\x19\x00text/plain; charset=utf-8\x01\x00x\x01\x00k\x01\x00v",
        b"hello",
    ]
    .concat();
    assert_eq!(record[SEAL_BYTES..], content);
    assert_eq!(record[..SEAL_BYTES], [1, 104, 145, 117, 251]);
}
