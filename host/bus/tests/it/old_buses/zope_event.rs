use plugbus_bus::*;
use serde::{Deserialize, Serialize};

use crate::support::*;

#[tokio::test(start_paused = true)]
async fn catch_all_subscribers() {
    let (bus, seen) = (Bus::default(), Seen::default());
    let _one = bus.subscribe(">").handlers(vec![recorder(&seen, "one:")]).unwrap();
    let two = bus.subscribe(">").once().handlers(vec![recorder(&seen, "two:")]).unwrap();
    let _three = bus.subscribe(">").handlers(vec![recorder(&seen, "three:")]).unwrap();
    // One that goes away while it is called makes nobody miss the event.
    bus.publish(draft("a")).await.unwrap();
    assert_eq!(seen.until(3).await.len(), 3);
    assert!(bus.wait_idle(LONG).await && two.is_ended());
}

#[derive(Serialize, Deserialize)]
struct UserAdded {
    name: String,
}

impl TypedEvent for UserAdded {
    const TOPIC: &'static str = "user.added";
}

#[tokio::test(start_paused = true)]
async fn type_based_handlers() {
    let (bus, seen) = (Bus::default(), Seen::default());
    let recorded = seen.clone();
    let _sub = bus
        .subscribe_typed::<UserAdded>()
        .on_typed(move |user: UserAdded| {
            let seen = recorded.clone();
            async move { seen.add(user.name) }
        })
        .unwrap();
    bus.publish(Draft::typed(&UserAdded { name: "ada".into() }).unwrap()).await.unwrap();
    assert_eq!(bus.publish(draft("user.removed")).await.unwrap().matched, 0);
    assert_eq!(seen.until(1).await, ["ada"]);
}
