//! The first plugin of the README and of the SDK's own README: what they show is, word for word, what is compiled and run
//! here, and built for the sandbox by `cargo xtask guests`.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

#[path = "../../../tests/fixtures/examples/greet.rs"]
#[allow(unreachable_pub)]
mod greet;

use plugbus_sdk::prelude::*;
use plugbus_sdk::testing;

use greet::Greet;

#[test]
fn the_readmes_show_the_code_that_is_tested() {
    let sources = [include_str!("../../../tests/fixtures/examples/greet.rs"), include_str!("readme.rs")];
    let flat = |text: &str| text.lines().map(str::trim).collect::<Vec<_>>().join("\n");
    for (readme, blocks) in [(include_str!("../../../README.md"), 1), (include_str!("../README.md"), 2)] {
        let of_plugin = |block: &&str| block.contains("plugbus_sdk");
        let shown: Vec<&str> = readme.split("```rust\n").skip(1).filter(of_plugin).collect();
        assert_eq!(shown.len(), blocks);
        for block in shown {
            let block = flat(block.split("```").next().unwrap());
            assert!(sources.iter().any(|source| flat(source).contains(&block)), "not tested:\n{block}");
        }
    }
}

#[test]
fn the_plugin_greets() -> Result<()> {
    let mut host = plugbus_sdk::testing::Host::<Greet>::new(json!({}))?;
    host.send(plugbus_sdk::testing::event("chat.joined").json("Ada"))?;
    assert_eq!(host.published()[0].json::<String>()?, "Welcome, Ada!");

    assert!(host.subscribes_to("chat.joined") && host.published()[0].topic == "chat.said");
    assert_eq!(host.send(testing::event("chat.joined").json("Eve"))?, Some(Payload::text("greeted")));
    assert!(host.send(testing::event("chat.joined").text("no JSON")).is_err());
    Ok(())
}
