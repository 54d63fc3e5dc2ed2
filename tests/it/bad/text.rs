//! Guests that write too much into their log.

use super::case::{Case, End};
use super::cases;

cases! {
    a_flood_of_log_lines_is_cut => Case::fixture("flood-logs").ends(End::Acks);

    a_flood_on_stdout_and_stderr_is_cut => Case::fixture("flood-stderr").ends(End::Acks);
}
