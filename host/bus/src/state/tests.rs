use super::store::DELETED_MAX;
use super::*;

fn pair() -> (State, State) {
    let store = Arc::new(StateStore::in_memory());
    let limits = StateLimits { key_bytes_max: 8, value_bytes_max: 100, total_bytes_max: 400 };
    (State::new(store.clone(), limits), State::new(store, limits))
}

async fn add_one(state: &State) {
    let before = state.get("b", "n").await.unwrap().map_or(0, |value| value[0]);
    state.set("b", "n", Bytes::from(vec![before + 1])).await.unwrap();
}

#[tokio::test]
async fn changes_are_seen_by_their_delivery_at_once_and_by_others_after_the_commit() {
    let (one, two) = pair();
    add_one(&one).await;
    assert_eq!(one.get("b", "n").await.unwrap().unwrap()[..], [1]);
    assert_eq!(two.get("b", "n").await.unwrap(), None);
    assert_eq!(one.commit().unwrap().len(), 1);
    assert_eq!(two.commit(), Err(Conflict), "it has read what was changed");
    assert_eq!(two.get("b", "n").await.unwrap().unwrap()[..], [1]);
    assert_eq!(two.commit(), Ok(Vec::new()));
}

#[tokio::test]
async fn two_that_add_one_come_to_two() {
    let (one, two) = pair();
    add_one(&one).await;
    add_one(&two).await;
    one.commit().unwrap();
    assert_eq!(two.commit(), Err(Conflict));
    add_one(&two).await;
    assert_eq!(
        two.commit().unwrap(),
        [StateWrite::Set { bucket: "b".into(), key: "n".into(), value: Bytes::from_static(&[2]) }]
    );
}

#[tokio::test]
async fn a_deletion_and_a_new_key_are_noticed_too() {
    let (one, two) = pair();
    add_one(&one).await;
    one.commit().unwrap();
    assert_eq!(two.keys("b", None, 10).await.unwrap().len(), 1);
    one.set("b", "m", Bytes::new()).await.unwrap();
    one.commit().unwrap();
    assert_eq!(two.commit(), Err(Conflict), "the set of keys that it has listed is another");
    two.get("b", "n").await.unwrap();
    one.delete("b", "n").await.unwrap();
    one.commit().unwrap();
    assert_eq!(two.commit(), Err(Conflict));
    two.get("other", "n").await.unwrap();
    add_one(&one).await;
    one.commit().unwrap();
    assert_eq!(two.commit(), Ok(Vec::new()), "another bucket is another matter");
}

#[tokio::test]
async fn keys_are_listed_in_order_and_in_pages_with_the_changes_in_them() {
    let (one, two) = pair();
    for key in ["c", "a", "e"] {
        one.set("b", key, Bytes::new()).await.unwrap();
    }
    one.commit().unwrap();
    two.set("b", "d", Bytes::new()).await.unwrap();
    two.delete("b", "a").await.unwrap();
    two.set("a", "x", Bytes::new()).await.unwrap();
    let page = |after, max| two.keys("b", after, max);
    assert_eq!(page(None, 2).await.unwrap(), ["c".into(), "d".into()] as [Arc<str>; 2]);
    assert_eq!(page(Some("d"), 2).await.unwrap(), ["e".into()] as [Arc<str>; 1]);
}

#[tokio::test]
async fn every_bound_is_kept_and_says_so() {
    let (one, _) = pair();
    assert_eq!(one.set("", "k", Bytes::new()).await, Err(StateError::Key { bytes: 0, max: 8 }));
    assert_eq!(one.set("b", "123456789", Bytes::new()).await, Err(StateError::Key { bytes: 9, max: 8 }));
    let value = |bytes: usize| Bytes::from(vec![0; bytes]);
    assert_eq!(one.set("b", "k", value(101)).await, Err(StateError::Value { bytes: 101, max: 100 }));
    for key in ["1", "2"] {
        one.set("b", key, value(100)).await.unwrap();
    }
    let full = one.set("b", "3", value(100)).await;
    assert_eq!(full, Err(StateError::Full { bytes: 3 * 166, max: 400 }));
    assert_eq!(one.get("b", "3").await.unwrap(), None);
    one.delete("b", "1").await.unwrap();
    one.set("b", "3", value(100)).await.unwrap();
    assert_eq!(one.commit().unwrap().len(), 2, "what was set and deleted in one delivery was never there");
}

#[tokio::test]
async fn what_a_delivery_has_read_is_bounded_and_still_noticed() {
    let (one, two) = pair();
    for n in 0..=READ_MAX {
        two.get("b", &n.to_string()).await.unwrap();
    }
    one.set("b", "other", Bytes::new()).await.unwrap();
    one.commit().unwrap();
    assert_eq!(two.commit(), Err(Conflict));
    for n in 0..10_000 {
        two.delete("b", &n.to_string()).await.unwrap();
    }
    assert_eq!(two.commit(), Ok(Vec::new()), "what is not there needs no deletion");
}

#[tokio::test]
async fn forgotten_deletions_cost_a_repetition_and_no_mistake() {
    let store = Arc::new(StateStore::in_memory());
    let [one, two] = [0, 1].map(|_| State::new(store.clone(), StateLimits::default()));
    one.set("b", "k", Bytes::new()).await.unwrap();
    one.commit().unwrap();
    two.get("b", "k").await.unwrap();
    for n in 0..=DELETED_MAX {
        let key = n.to_string();
        one.set("b", &key, Bytes::new()).await.unwrap();
    }
    one.commit().unwrap();
    one.delete("b", "k").await.unwrap();
    one.commit().unwrap();
    for n in 0..=DELETED_MAX {
        one.delete("b", &n.to_string()).await.unwrap();
    }
    one.commit().unwrap();
    assert_eq!(two.commit(), Err(Conflict));
}

#[tokio::test]
async fn a_name_that_cannot_be_is_refused_for_reading_too() {
    let (one, _) = pair();
    let long = "123456789";
    let key = StateError::Key { bytes: 9, max: 8 };
    assert_eq!(one.get("b", long).await, Err(key.clone()));
    assert_eq!(one.get(long, "k").await, Err(key.clone()));
    assert_eq!(one.delete("b", long).await, Err(key.clone()));
    assert_eq!(one.keys(long, None, 1).await, Err(key));
}

#[tokio::test]
async fn the_bound_on_all_holds_whatever_others_commit_meanwhile() {
    let store = Arc::new(StateStore::in_memory());
    let limits = StateLimits { key_bytes_max: 8, value_bytes_max: 100, total_bytes_max: 1200 };
    let new = || State::new(store.clone(), limits);
    let value = |bytes: usize| Bytes::from(vec![0; bytes]);
    let (one, two) = (new(), new());
    for key in ["1", "2", "3"] {
        one.set("b", key, value(100)).await.unwrap();
    }
    // Smaller, and gone, and back again: the sum follows.
    one.set("b", "1", value(10)).await.unwrap();
    one.delete("b", "2").await.unwrap();
    one.set("b", "2", value(10)).await.unwrap();
    two.set("b", "1", value(100)).await.unwrap();
    two.set("b", "4", value(100)).await.unwrap();
    two.commit().unwrap();
    assert_eq!(store.stats(), Some(StateStats { keys: 2, bytes: 332 }));
    one.set("b", "4", value(10)).await.unwrap();
    one.set("b", "5", value(100)).await.unwrap();
    assert_eq!(one.changes().len(), 5);
    one.commit().unwrap();
    // Keys 1, 2 and 4 with 10 bytes each, 3 and 5 with 100.
    assert_eq!(store.stats(), Some(StateStats { keys: 5, bytes: 3 * 76 + 2 * 166 }));
    let three = new();
    for key in ["6", "7", "8"] {
        three.set("b", key, value(100)).await.unwrap();
    }
    assert_eq!(three.set("b", "9", value(100)).await, Err(StateError::Full { bytes: 560 + 4 * 166, max: 1200 }));
    assert_eq!(three.set("b", "9", Bytes::new()).await, Ok(()));
    three.commit().unwrap();
    assert_eq!(store.stats(), Some(StateStats { keys: 9, bytes: 560 + 3 * 166 + 66 }));
}

#[tokio::test]
async fn many_buckets_are_forgotten_and_nobody_is_deceived() {
    let store = Arc::new(StateStore::in_memory());
    let [one, two] = [0, 1].map(|_| State::new(store.clone(), StateLimits::default()));
    two.keys("b", None, 1).await.unwrap();
    one.set("b", "k", Bytes::new()).await.unwrap();
    one.commit().unwrap();
    for n in 0..2 * DELETED_MAX {
        one.set(&n.to_string(), "k", Bytes::new()).await.unwrap();
    }
    one.commit().unwrap();
    assert_eq!(two.commit(), Err(Conflict));
}
