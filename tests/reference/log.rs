//! 6: logs.

use super::{Proof, Row};

const FORMAT: &str = "tests/run/relay/cloud_foundry.rs";

pub(crate) const ROWS: &[Row] = &[
    Row {
        name: "6 sources of apps and sidecars, in capitals",
        proof: Proof::Tests(FORMAT, &["lines_have_a_time_and_a_source"]),
    },
    Row {
        name: "6 sources with a revision",
        proof: Proof::NotHere("an operator turns them on, and a manifest says nothing of them"),
    },
    Row {
        name: "6 OUT and ERR, and the form of a line",
        proof: Proof::Tests("src/voice/format.rs", &["cloud_foundrys_form_is_that_of_cf_logs"]),
    },
    Row {
        name: "6 lines end at a newline or a carriage return, empty ones are dropped",
        proof: Proof::Tests(
            FORMAT,
            &["a_line_ends_at_a_carriage_return_too_and_empty_ones_are_dropped"],
        ),
    },
    Row {
        name: "6 longer than 61440 bytes is split, not within a character",
        proof: Proof::Tests(
            "src/voice/lines.rs",
            &["a_line_may_be_60_kib_long_and_no_longer", "a_character_is_not_split"],
        ),
    },
    Row {
        name: "6 an unfinished line is held",
        proof: Proof::Tests(FORMAT, &["it_is_glued_to_an_unfinished_line"]),
    },
    Row {
        name: "6 the limit on the rate",
        proof: Proof::NotHere(
            "it drops lines, and here none is lost; what a manifest says of it is read and checked",
        ),
    },
];
