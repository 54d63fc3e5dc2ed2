//! Guests that come to grief over an event. Each attempt is reported, the instance is thrown away, the event ends as a dead
//! letter.

use plugbus_fixtures::wat;

use super::case::{Case, End};
use super::cases;

const TRAP: End = End::Faults("trap");
const HOST_CALL: End = End::Faults("host-call");
const CONTRACT: End = End::Faults("contract");

cases! {
    a_trap_is_named_with_panic_message_and_backtrace => Case::fixture("trap-in-handle").ends(TRAP)
        .says(&["unreachable"]).stderr("cannot handle \"").frame("trap_in_handle");

    spinning_ends_at_its_fuel => Case::fixture("spin-forever").ends(End::Faults("fuel")).limit("500000000 fuel")
        .says(&["fuel limit (500000000 fuel)", "used up its fuel"]).frame("spin_forever");

    spinning_with_endless_fuel_ends_at_its_deadline => Case::fixture("spin-forever")
        .limits("fuel_per_event = 1000000000000000\ndeadline_ms = 150")
        .ends(End::Faults("deadline")).limit("150 ms").says(&["computing"]).frame("spin_forever");

    sleeping_for_ever_ends_at_its_deadline => Case::fixture("sleep-forever").limits("deadline_ms = 150")
        .ends(End::Faults("deadline")).limit("150 ms").says(&["waiting in a host call"]);

    recursing_for_ever_ends_at_the_stack => Case::fixture("recurse-forever").ends(End::Faults("stack"))
        .limit("524288 bytes").says(&["does it recurse without end?"]).frame("deeper");

    overflowing_the_guests_own_stack_is_a_trap => Case::fixture("overflow-stack").ends(TRAP).frame("deeper");

    hoarding_memory_ends_at_the_limit => Case::fixture("hoard-memory").ends(End::Faults("memory"))
        .limit("134217728 bytes").says(&["wanted more memory than it may have"])
        .stderr("memory allocation of 1048576 bytes failed");

    a_call_of_exit_ends_no_more_than_the_call => Case::fixture("exit").ends(TRAP).says(&["the guest called exit("]);

    a_huge_reply_is_not_taken => Case::fixture("huge-result").ends(HOST_CALL).limit("8388608 bytes")
        .says(&["passed more to the host in one call than it may"]);

    a_huge_reason_to_retry_is_not_taken => Case::fixture("huge-result").events(&["retry"]).ends(HOST_CALL)
        .limit("8388608 bytes");

    a_huge_reason_to_reject_is_not_taken => Case::fixture("huge-result").events(&["reject"]).ends(HOST_CALL)
        .limit("8388608 bytes");

    a_huge_panic_message_is_cut => Case::fixture("huge-result").events(&["panic"]).ends(TRAP)
        .says(&["unreachable"]).stderr("hhhh");

    a_reply_over_its_limit_breaks_the_contract => Case::fixture("huge-result").config("bytes = 2000000").ends(CONTRACT)
        .says(&["the reply is not acceptable", "data has 2000000 bytes", "at most 1048576 are allowed"]);

    a_long_reason_to_reject_is_cut => Case::fixture("huge-result").config("bytes = 2000000").events(&["reject"])
        .ends(End::Fails("reject")).says(&["reject: hhhh", "cut"]);

    a_long_reason_to_retry_is_cut => Case::fixture("huge-result").config("bytes = 2000000").events(&["retry"])
        .ends(End::Fails("retry")).says(&["retry: hhhh", "cut"]);

    growing_a_table_ends_at_the_limit => Case::bytes(wat::grow_table()).ends(End::Faults("table"))
        .limit("200000 elements").says(&["wanted larger tables than it may have"]);

    an_answer_outside_of_memory_breaks_the_contract => Case::bytes(wat::result_out_of_bounds()).ends(CONTRACT);

    a_reply_longer_than_memory_breaks_the_contract => Case::bytes(wat::reply_longer_than_memory()).ends(CONTRACT);

    a_reply_that_is_not_utf8_breaks_the_contract => Case::bytes(wat::reply_not_utf8()).ends(CONTRACT).says(&["utf-8"]);

    copying_a_hundred_megabytes_again_and_again_ends_at_the_fuel => Case::bytes(wat::huge_copies())
        .ends(End::Faults("fuel")).limit("500000000 fuel");
}
