//! Any number of builds of one plugin.

use std::sync::LazyLock;

use plugbus_fixtures::built;

/// What stands before the number in the binary.
const MARK: &[u8] = b"plugbus-build-number:";
/// Digits of the number.
const DIGITS: usize = 4;

/// The component that calls itself by this number: the fixture `generation-numbered` with another number in it.
pub(crate) fn build(number: u16) -> Vec<u8> {
    static FIXTURE: LazyLock<Vec<u8>> = LazyLock::new(|| built::fixture_bytes("generation-numbered"));
    let mut bytes = FIXTURE.clone();
    let places: Vec<usize> =
        bytes.windows(MARK.len()).enumerate().filter(|(_, at)| *at == MARK).map(|(index, _)| index).collect();
    let [place] = places[..] else { panic!("the number stands in {} places", places.len()) };
    let digits = place + MARK.len()..place + MARK.len() + DIGITS;
    bytes[digits].copy_from_slice(format!("{number:0DIGITS$}").as_bytes());
    bytes
}
