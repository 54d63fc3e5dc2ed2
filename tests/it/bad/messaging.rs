//! Guests that speak `wasi:messaging` and misuse it: what they make lies on the host's side and is bounded there.

use super::case::{Case, End};
use super::cases;

const MAY_SEND: &str = "filters = [\"bad.>\"]\npublish = [\"out.>\"]";

fn misuse(events: &'static [&'static str]) -> Case {
    Case::fixture("messaging-misuse").top(MAY_SEND).events(events)
}

cases! {
    hoarding_the_data_of_messages_ends_at_the_bytes_of_a_host_call => misuse(&["hoard-data"])
        .ends(End::Faults("host-call")).limit("8388608 bytes")
        .says(&["the messages that the guest holds have more bytes together"]);

    hoarding_metadata_ends_at_the_same_bytes => misuse(&["hoard-metadata"]).limits("hostcall_bytes = 1000000")
        .ends(End::Faults("host-call")).limit("1000000 bytes")
        .says(&["the messages that the guest holds have more bytes together"]);

    hoarding_messages_ends_at_the_resources_of_an_instance => misuse(&["hoard-messages"])
        .ends(End::Faults("handles")).limit("1024 handles").says(&["too many resources of the host"]);

    a_client_too_many_is_an_error_that_the_guest_is_told => misuse(&["hoard-clients"]).ends(End::Told)
        .says(&["held, then other: the instance holds as many resources of the host as it may"]);

    a_message_that_is_too_long_for_one_call_is_not_taken => misuse(&["bytes 9000000"]).ends(End::Faults("host-call"))
        .limit("8388608 bytes").says(&["passed more to the host in one call than it may"]);

    a_flood_of_messages_ends_at_the_outboxs_limit => misuse(&["flood"]).ends(End::Told)
        .says(&["64 taken, then other: ", "at most 64 events and 1048576 bytes"]);

    a_message_over_the_limit_of_an_event_is_not_sent => misuse(&["bytes 2000000"]).ends(End::Told)
        .says(&["other: data has 2000000 bytes", "at most 1048576 are allowed"]);

    a_handler_of_messages_that_traps_is_reported_like_any_other => misuse(&["trap"]).ends(End::Faults("trap"))
        .says(&["unreachable"]).stderr("as told").frame("messaging_misuse");

    a_handler_of_messages_that_spins_ends_at_its_fuel => misuse(&["spin"]).ends(End::Faults("fuel"))
        .limit("500000000 fuel").says(&["used up its fuel"]);

    a_handler_of_messages_that_waits_ends_at_its_deadline => misuse(&["wait"]).limits("deadline_ms = 150")
        .ends(End::Faults("deadline")).limit("150 ms").says(&["waiting in a host call"]);
}
