//! What falls into a plugins folder and cannot be a plugin. The message says what it is and how to fix it.

use plugbus_fixtures::{files, wat};

use super::case::{Case, End, File};
use super::cases;

fn refused(bytes: Vec<u8>) -> Case {
    Case::bytes(bytes).ends(End::Rejected("compile"))
}

cases! {
    a_component_that_exports_nothing_is_refused => refused(files::export_nothing())
        .says(&["it exports nothing", "a plugin exports `plugbus:plugin/subscriber@0.1.0`", "bad-"]);

    a_core_module_is_refused_with_the_way_to_a_component => refused(files::core_module())
        .says(&["a core WebAssembly module, not a component", "build it for `wasm32-wasip2`", "wasm-tools component new"]);

    a_component_of_another_world_is_refused_with_the_name_of_ours => refused(files::foreign_world())
        .says(&["of another world", "it is a command", "(world `plugbus:plugin/plugin@0.1.0`)"]);

    an_import_that_no_host_has_is_named => refused(wat::unknown_import())
        .says(&["what this host does not offer", "`acme:vault/secrets@1.0.0`"]);

    text_is_refused => refused(files::text()).says(&["not WebAssembly but text", "a plugin is a compiled component"]);

    an_empty_file_is_refused => refused(files::empty()).says(&["the file is empty"]);

    garbage_behind_the_header_of_a_component_is_refused => refused(files::garbage()).says(&["does not validate"]);

    zeros_are_refused => Case::file(File::Sparse(1 << 20)).ends(End::Rejected("compile"))
        .says(&["nothing but zero bytes", "was it copied whole?"]);

    two_hundred_megabytes_of_zeros_are_refused_unread => Case::file(File::Sparse(200 << 20)).ends(End::Rejected("files"))
        .says(&["has 209715200 bytes", "at most 67108864 are allowed"]);
}
