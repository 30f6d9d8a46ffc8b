//! What a drill has found, as a document that others read: `--json` prints it, everything else is made
//! from it.

use serde::{Deserialize, Serialize};

use crate::report::document::Report;
use crate::spec::on_one_line;

/// Which form of document this is; the schema is `docs/drill.schema.json`.
pub const FORM: &str = "fateshare-drill/1";

/// A whole drill.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Drill {
    /// [`FORM`].
    pub form: String,
    /// The version of fateshare.
    pub version: String,
    /// Where the spec came from.
    pub spec: String,
    /// When it began, by the machine's clock: RFC 3339 in UTC.
    pub began: String,
    /// How long it took.
    pub took_ms: f64,
    /// The members, main first.
    pub members: Vec<String>,
    /// So long everything may take to be gone.
    pub within_ms: f64,
    /// So long a group without a health check was watched before it was called healthy.
    pub settle_ms: f64,
    /// Whether each group had a PID namespace of its own.
    pub pid_namespaces: bool,
    /// What is to be known of how it was done.
    pub remarks: Vec<String>,
    /// Why it was not brought to its end, if it was not.
    pub cut_short: Option<String>,
    /// Strikes that went as they should.
    pub passed: usize,
    /// Strikes that did not.
    pub failed: usize,
    /// Strikes that showed something which is no failure.
    pub findings: usize,
    /// Strikes that were not made.
    pub skipped: usize,
    /// Each strike, in the order in which they were made.
    pub strikes: Vec<Row>,
}

/// What became of one strike.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// As it should be.
    #[default]
    Pass,
    /// Something is to be mended.
    Fail,
    /// Something is to be known.
    Finding,
    /// It was not made.
    Skipped,
}

/// One strike, and what came of it. Times count from the strike.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// Whom it hit; `(fateshare)` for the supervisor.
    pub target: String,
    /// How: `kill`, `term`, `late`, `freeze`, `platform` or `supervisor`.
    pub strike: String,
    /// The same as the table shows it.
    pub label: String,
    /// What became of it.
    pub outcome: Outcome,
    /// That in a few words; may be empty.
    pub note: String,
    /// Why it failed, or what was found.
    pub problem: Option<Problem>,
    /// The command that makes this strike again.
    pub replay: String,
    /// When the last of the others was told to stop; those that wait for main do not count.
    pub told_ms: Option<f64>,
    /// When nothing was left.
    pub gone_ms: Option<f64>,
    /// The exit code of fateshare.
    pub exit_code: Option<u8>,
    /// The code of whoever ended first, where it is another one.
    pub own_code: Option<u8>,
    /// When the next group was healthy: the outage that a client sees.
    pub back_ms: Option<f64>,
    /// Why the group ended, in a line.
    pub verdict: Option<String>,
    /// Members that needed SIGKILL.
    pub forced: Vec<String>,
    /// Processes that outlived their member.
    pub stragglers: Vec<Process>,
    /// Processes that outlived even fateshare.
    pub survivors: Vec<Process>,
    /// What platforms make of the exit code.
    pub platforms: Option<Platforms>,
    /// The last lines of the output of the group that is to blame.
    pub output: Vec<String>,
    /// The life of the group that was struck.
    pub report: Option<Report>,
}

/// What is to be mended, or to be known.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// Its class, such as `ignores_signal`.
    pub kind: String,
    /// The cause, in a sentence.
    pub cause: String,
    /// What to do about it.
    pub fix: String,
}

/// A process that was left.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Process {
    /// Its number in its own PID namespace.
    pub pid: i32,
    /// Its command line.
    pub command: String,
    /// Whose it was, if that is known.
    pub member: Option<String>,
    /// Whether it needed SIGKILL.
    pub forced: bool,
}

/// What each platform's policy makes of a container that ended so: whether it is started again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(clippy::struct_excessive_bools, reason = "a table with a column for each policy")]
pub struct Platforms {
    /// `docker run --restart always`, `unless-stopped`, and Compose's `restart: always`.
    pub docker_always: bool,
    /// `docker run --restart on-failure`.
    pub docker_on_failure: bool,
    /// Kubernetes, `restartPolicy: Always`.
    pub kubernetes_always: bool,
    /// Kubernetes, `restartPolicy: OnFailure`.
    pub kubernetes_on_failure: bool,
    /// Cloud Foundry, for an app that should run.
    pub cloud_foundry: bool,
}

impl Drill {
    /// Reads a drill back. The error is a fragment that fits after the file's name.
    pub fn read(text: &[u8]) -> Result<Self, String> {
        let drill: Self = serde_json::from_slice(text).map_err(|error| {
            // It repeats what it does not know.
            let why = on_one_line(&error.to_string());
            format!("is nothing that fateshare drill --json has printed: {why}")
        })?;
        if drill.form == FORM { Ok(drill) } else { Err(format!("is of the form {:?}", drill.form)) }
    }

    /// As it is printed: indented, with a newline at its end.
    pub fn text(&self) -> String {
        // Nothing in it can fail to be written: there are no maps but those of JSON.
        serde_json::to_string_pretty(self).map(|text| text + "\n").unwrap_or_default()
    }

    /// Counts what became of the strikes.
    pub fn count(&mut self) {
        let of = |wanted| self.strikes.iter().filter(|row| row.outcome == wanted).count();
        let counts = [Outcome::Pass, Outcome::Fail, Outcome::Finding, Outcome::Skipped].map(of);
        [self.passed, self.failed, self.findings, self.skipped] = counts;
    }
}

/// A drill of nothing, for tests.
#[cfg(test)]
pub(super) fn example() -> Drill {
    Drill {
        form: FORM.to_owned(),
        version: "0.0.0".to_owned(),
        spec: "./fateshare.yml".to_owned(),
        began: "2026-01-02T03:04:05.000006Z".to_owned(),
        took_ms: 1.0,
        members: vec!["web".to_owned()],
        within_ms: 10_000.0,
        settle_ms: 1_000.0,
        pid_namespaces: true,
        remarks: Vec::new(),
        cut_short: None,
        passed: 0,
        failed: 0,
        findings: 0,
        skipped: 0,
        strikes: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_drill_is_refused_in_one_line() {
        let strikes = vec![Row { outcome: Outcome::Finding, ..Row::default() }];
        let text = Drill { strikes, ..example() }.text();
        assert_eq!(Drill::read(text.as_bytes()).expect("a drill").text(), text);
        for (good, bad) in [("\"finding\"", "\"x\\n\\u001b[2J\""), (FORM, "x\\u001b[2J")] {
            let why = Drill::read(text.replace(good, bad).as_bytes()).expect_err(bad);
            assert!(!why.chars().any(char::is_control), "{why:?}");
        }
    }
}
