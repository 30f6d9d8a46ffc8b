//! A group before it is started: the same in every cell, but for what a fault needs.

use std::fs;

use crate::cell::Cell;
use crate::limits::Limits;
use crate::pipe::Pipe;
use crate::places::Stage;
use crate::support::host::set_mode;
use crate::support::{Argv, Group, Mode, Shell, Terminal};
use crate::table::Who;

/// How the main process stops when it is told: with a code of its own.
const WEB: &str = "exit-on=TERM:7 wait";
/// How everybody else does.
pub(crate) const ORDERLY: &str = "exit-on=TERM:0 wait";

/// What is to be started, and where.
pub(crate) struct Scene<'s> {
    pub(crate) stage: &'s Stage,
    pub(crate) who: Who,
    /// What each does, in words of the fixture program.
    pub(crate) web: String,
    worker: String,
    pub(crate) config_server: String,
    daemon: String,
    /// Whether there are `worker` and `daemon`.
    pub(crate) children: bool,
    /// So many sidecars more, which nobody strikes.
    pub(crate) more: u32,
    /// Whether `config-server` is a script that cannot be executed.
    pub(crate) broken: bool,
    pub(crate) grace: &'static str,
    /// Further keys of the spec.
    pub(crate) top: Vec<&'static str>,
    pub(crate) environment: Vec<(&'static str, &'static str)>,
    pub(crate) limits: Limits,
    /// Scripts around everything.
    pub(crate) around: Vec<&'static str>,
    /// Scripts that give `fateshare` what it inherits.
    pub(crate) inherits: Vec<&'static str>,
    /// Scripts that are started where we are to run.
    pub(crate) inside: Vec<&'static str>,
    pub(crate) pipe: Option<Pipe>,
    pub(crate) terminal: Option<Terminal>,
    /// Calls that fail, by the rules of `src/sys/seam.rs`.
    pub(crate) failing: &'static str,
    /// Whether members run as a user of their own.
    pub(crate) others: bool,
    pub(crate) group: Group,
}

impl<'s> Scene<'s> {
    /// A main process with a child, a sidecar that has left a straggler; everybody stops when told.
    pub(crate) fn new(stage: &'s Stage, who: Who) -> Self {
        Self {
            stage,
            who,
            web: WEB.to_owned(),
            worker: ORDERLY.to_owned(),
            config_server: ORDERLY.to_owned(),
            daemon: ORDERLY.to_owned(),
            children: true,
            more: 0,
            broken: false,
            // More than anybody needs, on a machine that is busy too.
            grace: "10s",
            top: Vec::new(),
            environment: Vec::new(),
            limits: Limits::default(),
            around: Vec::new(),
            inherits: Vec::new(),
            inside: Vec::new(),
            pipe: None,
            terminal: None,
            failing: "",
            others: false,
            group: Group::new(Mode::Ordinary),
        }
    }

    /// What the one does whom the fault strikes; `STOPS` stands for how he stops when told.
    pub(crate) fn victim_does(&mut self, words: &str) {
        let stops = if self.who == Who::Main { "exit-on=TERM:7" } else { "exit-on=TERM:0" };
        let place = match self.who {
            Who::Main => &mut self.web,
            Who::Sidecar => &mut self.config_server,
            Who::Child => &mut self.worker,
            Who::Straggler => &mut self.daemon,
            Who::Fateshare | Who::Platform => unreachable!("it is none of the group"),
        };
        *place = words.replace("STOPS", stops);
    }

    /// Members' output is relayed to a pipe, of which the test has the other end.
    pub(crate) fn stdout_is_a_pipe(&mut self) -> &Pipe {
        self.environment.push(("FATESHARE_LOG_FORMAT", "text"));
        self.inherits.push("exec \"$@\" >pipe");
        self.pipe.insert(Pipe::make(self.group.dir().join("pipe")))
    }

    pub(crate) fn start(self) -> Cell<'s> {
        let Self { stage, who, web, worker, config_server, daemon, mut group, .. } = self;
        if self.others {
            group = group.for_all_users();
        }
        let user = |group: Group| {
            if self.others { group.key("user: \"65534:65534\"") } else { group }
        };
        group = match who {
            Who::Child => {
                group.main("web", Shell(&format!("$FIXTURE $LOG worker {worker}; exit $?")))
            }
            _ if self.children => group.main("web", &*format!("child [ worker {worker} ] {web}")),
            _ => group.main("web", &*web),
        };
        group = user(group);
        let daemon = format!("run [ middle session child [ daemon {daemon} ] exit=0 ]");
        group = match (self.broken, self.children) {
            (true, _) => {
                let script = group.dir().join("script");
                fs::write(&script, "#!/no/such/interpreter\n").expect("a script");
                set_mode(&script, 0o755);
                group.sidecar("config-server", Argv(&["./script"]))
            }
            (false, true) => group.sidecar("config-server", &*format!("{daemon} {config_server}")),
            (false, false) => group.sidecar("config-server", &*config_server),
        };
        group = user(group);
        for number in 0..self.more {
            group = group.sidecar(&format!("sidecar-{number}"), ORDERLY);
        }
        let grace = format!("grace_period: {}", self.grace);
        for line in [&*grace].iter().chain(&self.top) {
            group = group.top(line);
        }
        group = group.env("FATESHARE_REPORT", "report.json");
        if !self.failing.is_empty() {
            group = group.failing(self.failing);
        }
        for (name, value) in self.environment {
            group = group.env(name, value);
        }
        let (mut group, cgroup) = stage.set_up(group, &self.around, &self.inherits, self.limits);
        for script in self.inside {
            group = group.after_script(script);
        }
        if let Some(terminal) = &self.terminal {
            group = group.on(terminal);
        }
        let mut cell = Cell::new(stage, who, group.start(), cgroup);
        cell.pipe = self.pipe;
        cell.terminal = self.terminal;
        cell
    }
}
