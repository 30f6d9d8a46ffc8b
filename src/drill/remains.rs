//! What is known of one group of a drill: it stays when the group is gone.

use std::collections::{BTreeMap, BTreeSet};

use crate::core::{MemberId, Moment, OWN_FAILURE, Pid, Status, opening};
use crate::report::document::Report;
use crate::spec::{Launch, on_one_line};
use crate::sys::family::Relative;

/// Longer lines of its output are cut.
const LONGEST_LINE: usize = 300;

/// What is known of a group, and stays when it is gone.
#[derive(Clone, Debug, Default)]
pub(super) struct Remains {
    /// When its clock began, on ours.
    pub(super) zero: Option<Moment>,
    /// The latest report.
    pub(super) report: Option<Report>,
    /// How its fateshare ended, and when we saw that.
    pub(super) end: Option<(Status, Moment)>,
    /// When it was struck.
    pub(super) struck: Option<Moment>,
    /// Who leads each member.
    pub(super) pids: BTreeMap<MemberId, Pid>,
    /// Its processes, by their own numbers, as they were last seen.
    pub(super) seen: BTreeMap<Pid, Relative>,
    /// Ports at which its members were seen to listen.
    pub(super) ports: BTreeSet<u16>,
    /// Its fateshare, and the session of that.
    pub(super) copy: Option<(Pid, Pid)>,
    /// What outlived its fateshare.
    pub(super) survivors: Vec<Relative>,
    /// The last of what it has written, and of what fateshare has said.
    pub(super) output: Vec<u8>,
}

impl Remains {
    /// The process that leads this member.
    pub(super) fn leader(&self, member: MemberId) -> Option<&Relative> {
        self.seen.get(self.pids.get(&member)?)
    }

    /// Whose this process is, by the numbers that we see.
    pub(super) fn member_of(&self, launch: &Launch, pid: Pid) -> Option<MemberId> {
        let by_pid = |pid: Pid| self.seen.values().find(|it| it.key.pid == pid);
        let mut at = by_pid(pid)?;
        // No chain is longer than there are processes.
        for _ in 0..self.seen.len() {
            let leads = |member: &MemberId| self.leader(*member) == Some(at);
            if let Some(member) = MemberId::all(launch.members.len()).find(leads) {
                return Some(member);
            }
            at = by_pid(at.parent)?;
        }
        None
    }

    /// Why nothing was started, if its fateshare has ended because of that.
    pub(super) fn refusal(&self, launch: &Launch) -> Option<String> {
        let (status, _) = self.end?;
        let Some(report) = &self.report else {
            let said = self.last_lines(launch, 1).pop();
            let said = said.map(|line| line.trim_start_matches("fateshare: ").to_owned());
            let refused = status == Status::Exited(OWN_FAILURE);
            return refused.then(|| said.unwrap_or_else(|| "no group could be started".to_owned()));
        };
        let verdict = report.verdict.as_ref().filter(|verdict| verdict.cause == "cannot_start")?;
        let nobody = report.members.iter().all(|member| member.pid.is_none());
        nobody.then(|| verdict.message.clone())
    }

    /// The last of its output.
    pub(super) fn output(&self) -> String {
        String::from_utf8_lossy(&self.output).into_owned()
    }

    /// The last lines of its output, at most so many, without the one that every group begins with.
    pub(super) fn last_lines(&self, launch: &Launch, most: usize) -> Vec<String> {
        let text = self.output();
        let opening = format!("fateshare: {}", opening(launch));
        let lines = text.lines().filter(|line| !line.trim().is_empty() && *line != opening);
        let lines: Vec<&str> = lines.collect();
        let from = lines.len().saturating_sub(most);
        let short = |line: &&str| {
            let line = on_one_line(line);
            line[..line.floor_char_boundary(LONGEST_LINE)].to_owned()
        };
        lines[from..].iter().map(short).collect()
    }
}
