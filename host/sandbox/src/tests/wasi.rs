//! What the grants show to a guest.

use plugbus_bus::{Failure, HandlerError, Reply};

use super::guest::{ACK, CONFIG, ENVIRONMENT, data};
use super::*;

/// Rejects with the string whose pointer and length lie at an address.
fn reject_with(address: u32) -> String {
    format!(
        "(i32.store8 (i32.const 128) (i32.const 1)) (i32.store8 (i32.const 136) (i32.const 1))
         (i32.store (i32.const 144) (i32.load (i32.const {address})))
         (i32.store (i32.const 148) (i32.load (i32.const {}))) (i32.const 128)",
        address + 4
    )
}

#[tokio::test]
async fn the_config_store_has_the_manifests_table_with_dotted_keys() {
    // ok(some(text)): the text at 512 + 8.
    let guest =
        Guest::handling(format!("(call $get (i32.const 2048) (i32.const 8) (i32.const 512)) {}", reject_with(520)))
            .items(data(2048, "auth.key"))
            .wasi(&[CONFIG]);
    let mut spec = spec();
    spec.config_json = r#"{"auth": {"key": "secret"}}"#.into();
    spec.grants.config = true;
    let outcome = handle(&mut start(&guest, spec).await).await;
    assert_eq!(outcome, Err(HandlerError::Failure(Failure::Reject("secret".into()))));
}

#[tokio::test]
async fn only_granted_variables_are_in_the_environment() {
    let count = |expected: u32| {
        Guest::handling(format!(
            "(call $env (i32.const 512))
             (if (i32.ne (i32.load (i32.const 516)) (i32.const {expected})) (then (unreachable))) {ACK}"
        ))
        .wasi(&[ENVIRONMENT])
    };
    assert!(std::env::vars().next().is_some());
    assert_eq!(handle(&mut start(&count(0), spec()).await).await, Ok(Reply(None)));
    let mut granted = spec();
    granted.grants.env = [("TOKEN".into(), "x".into())].into();
    assert_eq!(handle(&mut start(&count(1), granted).await).await, Ok(Reply(None)));
}
