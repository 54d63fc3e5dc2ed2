//! Guests that do not get through `init`. Nothing runs of them.

use plugbus_fixtures::wat;

use super::case::{Case, End};
use super::cases;

const TRAP: End = End::Rejected("trap");
const FUEL: End = End::Rejected("fuel");
/// The guest's own word, or what it registers.
const INIT: End = End::Rejected("init");

cases! {
    a_trap_in_init_is_named_with_the_panic_message => Case::fixture("trap-in-init").ends(TRAP)
        .says(&["cannot start instance 1", "init failed", "unreachable"])
        .stderr("init went wrong on purpose").frame("trap_in_init");

    spinning_in_init_ends_at_its_fuel => Case::fixture("spin-in-init").limits("fuel_init = 200000000")
        .ends(FUEL).limit("200000000 fuel").says(&["fuel limit (200000000 fuel)"]).frame("spin_in_init");

    spinning_at_the_start_ends_at_the_fuel_of_init => Case::bytes(wat::spin_at_start())
        .limits("fuel_init = 200000000").ends(FUEL).limit("200000000 fuel");

    spinning_in_init_with_endless_fuel_ends_at_its_deadline => Case::fixture("spin-in-init")
        .limits("fuel_init = 1000000000000000\ndeadline_init_ms = 200")
        .ends(End::Rejected("deadline")).limit("200 ms").says(&["computing"]);

    sleeping_in_init_ends_at_its_deadline => Case::fixture("sleep-in-init").limits("deadline_init_ms = 200")
        .ends(End::Rejected("deadline")).limit("200 ms").says(&["waiting in a host call"]);

    hoarding_memory_in_init_ends_at_the_limit => Case::fixture("hoard-in-init")
        .ends(End::Rejected("memory")).limit("134217728 bytes").stderr("memory allocation of 1048576 bytes failed");

    a_huge_error_of_init_is_not_taken => Case::fixture("huge-result").config("in_init = true")
        .ends(End::Rejected("host-call")).limit("8388608 bytes");

    a_long_error_of_init_is_cut => Case::fixture("huge-result").config("in_init = true\nbytes = 1000000")
        .ends(INIT).says(&["init: hhhh", "cut"]);

    an_error_of_init_is_told_in_its_own_words => Case::fixture("init-error").ends(INIT)
        .says(&["init: config: missing key `url`"]);

    publishing_in_init_is_denied => Case::fixture("publish-in-init").top("publish = [\">\"]").ends(INIT)
        .says(&["denied: publishing is not allowed in init; publish while handling an event"]);

    a_malformed_filter_is_named => Case::fixture("bad-filters").top("").ends(INIT)
        .says(&["init registered `hook..raw` as filter number 2", "empty token"]);

    a_plugin_without_filters_is_told_both_ways_to_have_some => Case::fixture("no-filters").top("").ends(INIT)
        .says(&["registers no filters", "return some from `init`", "write `filters = [\"…\"]` into `bad-"]);

    too_many_filters_are_refused => Case::fixture("many-filters").top("").ends(INIT)
        .says(&["init registered 10000 filters; at most 64 are allowed"]);

    an_allocator_that_traps_is_named => Case::bytes(wat::realloc_traps()).ends(TRAP).says(&["unreachable"]);

    an_allocator_that_lies_breaks_the_contract => Case::bytes(wat::realloc_out_of_bounds())
        .ends(End::Rejected("contract")).says(&["init failed"]);
}
