use plugbus_bus::*;

use crate::support::*;

#[tokio::test(start_paused = true)]
async fn senders_and_keys() {
    let (bus, seen) = (Bus::default(), Seen::default());
    // Keys are tokens of the topic; who wants several of them names several filters and gets each event once.
    let _keys = bus.subscribe(["light.red", "light.*.dim"]).handlers(vec![recorder(&seen, "key:")]).unwrap();
    let _sender = bus.subscribe("light.>").from_source("kitchen").handlers(vec![recorder(&seen, "sender:")]).unwrap();
    assert_eq!(bus.publish(draft("light.red").source("hall")).await.unwrap().matched, 1);
    assert_eq!(bus.publish(draft("light.green").source("kitchen")).await.unwrap().matched, 1);
    assert_eq!(bus.publish(draft("light.red.dim").source("kitchen")).await.unwrap().matched, 2);
    assert_eq!(bus.publish(draft("light.green").source("hall")).await.unwrap().matched, 0);
    assert_eq!(seen.until(4).await.len(), 4);
}
