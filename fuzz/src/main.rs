//! libFuzzer around one of the targets: the one that `$FATESHARE_FUZZ_TARGET` names.
#![no_main]

mod heap;
#[path = "../../tests/fuzzing/targets/mod.rs"]
mod targets;

use std::sync::OnceLock;

use libfuzzer_sys::fuzz_target;
use targets::{ALL, Target, run};

#[global_allocator]
static HEAP: heap::Bounded = heap::Bounded;

fn target() -> Target {
    static TARGET: OnceLock<Target> = OnceLock::new();
    *TARGET.get_or_init(|| {
        let name = std::env::var("FATESHARE_FUZZ_TARGET").unwrap_or_default();
        let found = ALL.iter().find(|(other, _)| *other == name);
        let names: Vec<&str> = ALL.iter().map(|(name, _)| *name).collect();
        found.unwrap_or_else(|| panic!("$FATESHARE_FUZZ_TARGET is none of {names:?}")).1
    })
}

fuzz_target!(|data: &[u8]| {
    let target = target();
    heap::begin();
    run(target, data);
    heap::end();
});
