//! A plugin that is put into the folder handles events.

use crate::support::host::TestHost;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_component_in_the_folder_answers_and_one_taken_away_is_unloaded() {
    let host = TestHost::start().await;
    host.run_fixture("echo", "echo", "").await;
    assert_eq!(host.ask("a.b", "hello").await, "hello");
    host.remove("echo");
    host.until_unloaded("echo").await;
    assert!(host.status("echo").is_none());
    host.stop().await;
}
