//! A group while a fault strikes it: its processes by their names, wherever it runs.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::Child;
use std::sync::MutexGuard;

use nix::sys::signal::Signal;
use serde_json::Value;

use crate::limits::Cgroup;
use crate::pipe::Pipe;
use crate::places::Stage;
use crate::support::running::send;
use crate::support::{Running, Terminal, proc};
use crate::table::Who;

/// A deadline of a second and 900 ms behind it in milliseconds, threefold.
const AT_MOST: f64 = 3.0 * (1_000.0 + 900.0);

/// What becomes of the process that has started us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Around {
    /// It waits for our end, and ends as we did.
    Waits,
    /// It dies before. Then our exit code is in the report alone.
    Dies,
    /// It leaves before, with this code.
    Leaves(i32),
}

/// One cell of the matrix.
pub(crate) struct Cell<'s> {
    pub(crate) stage: &'s Stage,
    pub(crate) who: Who,
    pub(crate) group: Running,
    pub(crate) cgroup: Option<Cgroup>,
    pub(crate) pipe: Option<Pipe>,
    pub(crate) terminal: Option<Terminal>,
    /// Whoever is not told to stop, because he has ended, or takes no notice.
    pub(crate) not_told: Vec<&'static str>,
    /// Whether nobody can hear what we say.
    pub(crate) unheard: bool,
    /// What has to be said besides the verdict.
    pub(crate) says: &'static str,
    /// Whether no report can be written.
    pub(crate) no_report: bool,
    /// What has to be true of the report besides.
    pub(crate) also: fn(&Value),
    /// How long after the verdict it must be over, in milliseconds, where somebody has to be killed.
    pub(crate) at_most: f64,
    pub(crate) around: Around,
    /// Processes beside us, which are none of the group's.
    pub(crate) strangers: Strangers,
    /// Held while there is a fork bomb: of those one at a time is enough for a machine.
    pub(crate) crowd: Option<MutexGuard<'static, ()>>,
}

impl<'s> Cell<'s> {
    pub(crate) fn new(stage: &'s Stage, who: Who, group: Running, cgroup: Option<Cgroup>) -> Self {
        Self {
            stage,
            who,
            group,
            cgroup,
            pipe: None,
            terminal: None,
            not_told: Vec::new(),
            unheard: false,
            says: "",
            no_report: false,
            also: |_| {},
            at_most: AT_MOST,
            around: Around::Waits,
            strangers: Strangers(Vec::new()),
            crowd: None,
        }
    }

    /// Waits until everybody runs, and sees that it is where it should be.
    #[track_caller]
    pub(crate) fn runs(&mut self) {
        let web: &[&str] = if self.who == Who::Child { &[] } else { &["web"] };
        self.group.wait_started(web);
        self.group.wait_started(&["worker", "config-server", "daemon"]);
        // From now on the daemon is our child.
        self.group.wait_for("middle: ends 0");
        let fateshare = self.fateshare();
        self.stage.prove(fateshare);
    }

    pub(crate) fn victim(&self) -> &'static str {
        match self.who {
            Who::Main => "web",
            Who::Sidecar => "config-server",
            Who::Child => "worker",
            Who::Straggler => "daemon",
            Who::Fateshare | Who::Platform => unreachable!("it is none of the group"),
        }
    }

    /// A fixture program by its name, as this process sees it.
    #[track_caller]
    pub(crate) fn pid(&mut self, name: &str) -> i32 {
        self.group.until(&format!("{name} is found"), |group| {
            group.processes().into_iter().find(|pid| {
                let command = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
                let mut words = command.split(|byte| *byte == 0);
                words.next().is_some_and(|program| program.ends_with(b"fixture"))
                    && words.nth(1) == Some(name.as_bytes())
            })
        })
    }

    /// The `fateshare` whose children the members are.
    #[track_caller]
    pub(crate) fn fateshare(&mut self) -> i32 {
        let all = self.fateshares();
        let is_parent = |pid: i32| {
            all.iter().any(|other| proc::stat(*other).is_some_and(|it| it.parent == pid))
        };
        *all.iter().find(|pid| !is_parent(**pid)).expect("one has no other below it")
    }

    /// The `fateshare` that was started, which with `--pid1` is around the other.
    #[track_caller]
    pub(crate) fn outermost(&mut self) -> i32 {
        let all = self.fateshares();
        let is_inside = |pid: i32| proc::stat(pid).is_some_and(|stat| all.contains(&stat.parent));
        *all.iter().find(|pid| !is_inside(**pid)).expect("one has no other above it")
    }

    #[track_caller]
    fn fateshares(&mut self) -> Vec<i32> {
        let program = fs::metadata(self.stage.program(self.group.dir())).expect("the program");
        self.group.until("fateshare is found", |group| {
            let runs = |pid: &i32| {
                fs::metadata(format!("/proc/{pid}/exe"))
                    .is_ok_and(|exe| (exe.dev(), exe.ino()) == (program.dev(), program.ino()))
            };
            let found: Vec<i32> = group.processes().into_iter().filter(runs).collect();
            (!found.is_empty()).then_some(found)
        })
    }

    /// Lets whoever waits for it do what he has to.
    pub(crate) fn go(&mut self) {
        fs::write(self.group.dir().join("go"), "").expect("the trigger");
    }

    /// The platform asks us to stop.
    #[track_caller]
    pub(crate) fn stop(&mut self) {
        let pid = self.outermost();
        strike(pid, Signal::SIGTERM);
    }

    /// Until a process has ended and was reaped.
    #[track_caller]
    pub(crate) fn wait_reaped(&mut self, pid: i32) {
        self.group.until(&format!("{pid} is reaped"), |_| proc::stat(pid).is_none().then_some(()));
    }

    /// Members, their processes, and us; not what is around us.
    pub(crate) fn everybody(&self) -> Vec<i32> {
        let ours = |pid: &i32| ["fateshare", "fixture"].contains(&&*name(*pid));
        self.group.processes().into_iter().filter(ours).collect()
    }

    /// What is in the folder that the group runs in.
    pub(crate) fn files(&self) -> Vec<String> {
        let entries = fs::read_dir(self.group.dir()).expect("the folder").flatten();
        entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
    }

    pub(crate) fn read(&self, name: &str) -> String {
        fs::read_to_string(self.group.dir().join(name)).unwrap_or_default()
    }
}

/// Processes beside us; ended when dropped, with what they have started.
pub(crate) struct Strangers(pub(crate) Vec<Child>);

impl Strangers {
    /// They are still there.
    #[track_caller]
    pub(crate) fn live(&mut self) {
        for stranger in &mut self.0 {
            let status = stranger.try_wait().expect("its status");
            assert!(status.is_none(), "a stranger has ended: {status:?}");
        }
    }
}

impl Drop for Strangers {
    fn drop(&mut self) {
        for stranger in &mut self.0 {
            let _ = stranger.kill();
            let _ = stranger.wait();
        }
    }
}

/// Somebody sends a signal to a process.
#[track_caller]
pub(crate) fn strike(pid: i32, signal: Signal) {
    send(pid, signal as i32);
}

/// A process's short name.
pub(crate) fn name(pid: i32) -> String {
    let text = fs::read_to_string(Path::new("/proc").join(pid.to_string()).join("comm"));
    text.unwrap_or_default().trim_end().to_owned()
}
