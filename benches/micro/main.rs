//! How long the parts take that are nothing but arithmetic: the relay's, the readers', the core's.
//!
//! `cargo bench --bench micro [-- NAME]`. What the whole program takes is measured beside others, in
//! `benches/side-by-side`.

mod core;
mod readers;
mod relay;

use std::time::Duration;

fn main() {
    // All of them together stay under a minute; `--max-time` gives each more.
    divan::Divan::default().max_time(Duration::from_secs(1)).config_with_args().main();
}
