//! What is said before anything is started.

use std::path::Path;

use super::sentences::shorten;
use super::time::span;
use crate::spec::{Launch, harmless};

/// The first line: which spec was taken, and what it starts.
pub fn opening(launch: &Launch) -> String {
    let names: Vec<&str> = launch.members.iter().map(|member| member.name.as_str()).collect();
    let shown = shorten(&names, " + ");
    format!("{}: {shown}, grace {}", launch.source, span(launch.grace_period))
}

/// That an app's profile scripts come first, and what differs from the platform in that.
pub fn profile_scripts(app: &Path) -> String {
    let app: String = app.to_string_lossy().chars().map(harmless).collect();
    format!(
        "first, once for all members: the profile scripts of {app} (Cloud Foundry runs them once for each, \
         all at once)"
    )
}
