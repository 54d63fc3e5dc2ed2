//! Guests that publish what they may not, or too much. They are told, with the limit, and what to do about it.

use super::case::{Case, End};
use super::cases;

const MAY_FLOOD: &str = "filters = [\"bad.>\"]\npublish = [\"flood.out\"]";

cases! {
    a_flood_of_publishes_ends_at_the_limit => Case::fixture("flood-publishes").top(MAY_FLOOD).ends(End::Told)
        .says(&["64 taken", "over-limit", "at most 64 events and 1048576 bytes"]);

    one_huge_publish_is_not_taken => Case::fixture("flood-bytes").top(MAY_FLOOD).ends(End::Faults("host-call"))
        .limit("8388608 bytes");

    a_publish_over_the_limit_of_an_event_is_invalid => Case::fixture("flood-bytes").top(MAY_FLOOD)
        .config("bytes = 2000000").ends(End::Told)
        .says(&["invalid: data has 2000000 bytes", "at most 1048576 are allowed"]);

    a_publish_over_the_bytes_of_one_event_is_refused => Case::fixture("flood-bytes").top(MAY_FLOOD)
        .limits("publish_bytes = 1000").config("bytes = 2000").ends(End::Told)
        .says(&["over-limit", "at most 64 events and 1000 bytes"]);

    publishing_as_the_host_is_denied_whatever_the_manifest_grants => Case::fixture("publish-host-topic")
        .top("filters = [\"bad.>\"]\npublish = [\">\"]").ends(End::Told)
        .says(&["denied: topic `plugbus.x` is the host's own"]);

    publishing_without_a_grant_is_denied_with_the_line_that_grants_it => Case::fixture("publish-ungranted")
        .ends(End::Told).says(&["denied:", "add `publish = [\"somebody.elses.topic\"]`"]);

    publishing_outside_of_the_grant_is_denied => Case::fixture("publish-ungranted")
        .top("filters = [\"bad.>\"]\npublish = [\"somebody.elses\", \"somebody.elses.topic.too\"]").ends(End::Told)
        .says(&["denied:", "do not cover `somebody.elses.topic`"]);

    publishing_on_a_malformed_topic_is_invalid => Case::fixture("publish-malformed")
        .top("filters = [\"bad.>\"]\npublish = [\">\"]").events(&["a..b", "a b", "a.*", ".a", "a.b.", ""]).ends(End::Told)
        .says(&["invalid: topic"]);

    publishing_with_a_malformed_extension_is_invalid => Case::fixture("publish-malformed")
        .top("filters = [\"bad.>\"]\npublish = [\">\"]").events(&["extension"]).ends(End::Told)
        .says(&["invalid: extension `Not Allowed`"]);

    a_refusal_that_the_guest_passes_on_is_in_the_report => Case::fixture("generation-a")
        .ends(End::Fails("reject")).says(&["reject: denied:", "add `publish = [\"generation.handled\"]`"]);

    opening_a_socket_is_refused => Case::fixture("open-socket").events(&["127.0.0.1:9", "[::1]:9"]).ends(End::Told)
        .says(&["error: "]);
}
