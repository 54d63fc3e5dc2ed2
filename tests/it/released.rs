//! Components that were built against an earlier host must load and work in this one: they are kept as binaries.

use std::path::Path;

use plugbus::bus::{Event, Payload, Settlement};
use serde_json::json;

use crate::support::events::Recorder;
use crate::support::host::TestHost;
use crate::support::wait::PATIENCE;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_component_of_each_version_of_the_contract_still_works() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/released");
    let mut seen = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "wasm") {
            works(&std::fs::read(&path).unwrap()).await;
            seen += 1;
        }
    }
    assert!(seen >= 1);
}

async fn works(component: &[u8]) {
    let host = TestHost::start().await;
    let out = Recorder::on(host.bus(), "out.>");
    host.put_plugin("released", component, "publish = [\"out.>\"]\n");
    host.until_running("released").await;
    let draft = Event::draft("c.good").unwrap().payload(Payload::json(&json!({ "n": 1 })).unwrap());
    let settled = host.bus().publish_and_wait(draft, PATIENCE).await.unwrap();
    let plugin = settled.results.iter().find(|(name, _)| name.as_str() == "plugin/released");
    assert!(matches!(plugin, Some((_, Settlement::Acked(_)))), "{:?}", settled.results);
    let said = out.until_json("out.good", |_| true).await;
    assert_eq!(said, json!({ "n": 1, "by": "c" }));
    host.stop().await;
}
