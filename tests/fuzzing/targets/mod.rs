//! One function for each kind of input: it takes any bytes, and checks everything that is promised about
//! them. A promise that is broken is a panic.
//!
//! The test beside this folder includes these, and so does the crate in `fuzz/`, which is guided by coverage.

mod choices;
mod group;
mod http;
mod judge;
mod machine;
mod manifests;
mod markup;
mod relay;
mod reports;
mod specs;
mod words;

/// Says whether the bytes made sense.
pub(crate) type Target = fn(&[u8]) -> bool;

/// Runs one of them. Passes over what has the word that stands for secrets: nobody knows whether it is one there.
pub(crate) fn run(target: Target, data: &[u8]) -> bool {
    let secret = judge::SECRET.as_bytes();
    !data.windows(secret.len()).any(|it| it == secret) && target(data)
}

/// All of them, by the names that their seeds and their dictionaries have too.
pub(crate) const ALL: [(&str, Target); 18] = [
    ("spec", specs::spec),
    ("manifest", manifests::manifest),
    ("launch_yml", manifests::launch_yml),
    ("procfile", manifests::procfile),
    ("staging", manifests::staging),
    ("vars", manifests::vars),
    ("report", reports::report),
    ("drill", reports::drill),
    ("ledger", reports::ledger),
    ("status", http::status),
    ("answer", http::answer),
    ("probe", http::probe),
    ("relay", relay::relay),
    ("core", group::core),
    ("events", group::events),
    ("words", words::words),
    ("arguments", words::arguments),
    ("machine", machine::machine),
];
