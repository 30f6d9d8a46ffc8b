//! A group while it runs, and what is known of it at its end.

use std::fmt;
use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

use super::{LIMIT, Mode, poll, proc};

/// A group that was started. Dropping it kills whatever is left of it.
pub(crate) struct Running {
    mode: Mode,
    dir: TempDir,
    program: PathBuf,
    mark: String,
    /// The program around `fateshare`: `unshare`, or the fixture's guard.
    wrapper: Child,
    status: Option<ExitStatus>,
    fateshare: Option<i32>,
    /// Nothing of it is left, and that was seen.
    gone: bool,
}

impl Running {
    pub(super) fn new(
        mode: Mode,
        dir: TempDir,
        program: PathBuf,
        mark: String,
        wrapper: Child,
    ) -> Self {
        Self { mode, dir, program, mark, wrapper, status: None, fateshare: None, gone: false }
    }

    /// The PID of `fateshare`, as this process sees it, from the moment it runs.
    #[track_caller]
    pub(crate) fn fateshare(&mut self) -> i32 {
        if let Some(pid) = self.fateshare {
            return pid;
        }
        let wrapper = self.wrapper.id().cast_signed();
        let program = self.program.clone();
        let is_it =
            |pid: &i32| fs::read_link(format!("/proc/{pid}/exe")).is_ok_and(|exe| exe == program);
        let pid = self.until("fateshare runs", |_| {
            let mut children = proc::children(wrapper);
            // A shell may be in between.
            for child in children.clone() {
                children.extend(proc::children(child.0));
            }
            // A member that has not executed its program yet runs ours; our parent never does.
            let mut found = children.into_iter().filter(|(pid, _)| is_it(pid));
            found.find(|(_, stat)| !is_it(&stat.parent)).map(|(pid, _)| pid)
        });
        self.fateshare = Some(pid);
        pid
    }

    /// Sends a signal to `fateshare`.
    #[track_caller]
    pub(crate) fn signal(&mut self, signal: Signal) {
        self.signal_number(signal as i32);
    }

    /// Sends a signal to `fateshare`, real-time ones too.
    #[track_caller]
    pub(crate) fn signal_number(&mut self, signal: i32) {
        send(self.fateshare(), signal);
    }

    /// Sends a signal to the member (or other fixture program) with this name.
    #[track_caller]
    pub(crate) fn signal_member(&mut self, name: &str, signal: Signal) {
        send(self.pid(name), signal as i32);
    }

    /// The PID of a fixture program as the group sees it, once it has started.
    #[track_caller]
    pub(crate) fn inner_pid(&mut self, name: &str) -> i32 {
        let started = format!("{name}: started ");
        self.until(&format!("{name} starts"), |running| {
            let log = running.log();
            let line = log.lines().find_map(|line| line.strip_prefix(&started).map(str::to_owned));
            line.map(|pid| pid.parse().expect("a PID"))
        })
    }

    /// The PID of a fixture program as this process sees it, once it has started.
    #[track_caller]
    pub(crate) fn pid(&mut self, name: &str) -> i32 {
        let inner = self.inner_pid(name);
        if self.mode == Mode::Ordinary {
            return inner;
        }
        let wrapper = self.wrapper.id().cast_signed();
        self.until(&format!("{name} is found"), |running| {
            let mut marked = proc::marked(&running.mark).into_iter();
            marked.find(|&pid| pid != wrapper && proc::inner_pid(pid) == Some(inner))
        })
    }

    /// Waits for this line of the log.
    #[track_caller]
    pub(crate) fn wait_for(&mut self, line: &str) {
        self.until(&format!("the log says `{line}`"), |running| {
            running.log().lines().any(|found| found == line).then_some(())
        });
    }

    /// Waits until these fixture programs have started.
    #[track_caller]
    pub(crate) fn wait_started(&mut self, names: &[&str]) {
        for name in names {
            self.inner_pid(name);
        }
    }

    /// Waits until the process is in this state (`Z`: ended and not reaped, `T`: stopped).
    #[track_caller]
    pub(crate) fn wait_state(&mut self, pid: i32, state: char) {
        self.until(&format!("{pid} is in state {state}"), |_| {
            (proc::stat(pid)?.state == state).then_some(())
        });
    }

    /// Waits until `fateshare` has no child that ended and was not reaped.
    #[track_caller]
    pub(crate) fn wait_no_zombies(&mut self) {
        let fateshare = self.fateshare();
        self.until("no zombies", |_| {
            proc::children(fateshare).iter().all(|(_, stat)| stat.state != 'Z').then_some(())
        });
    }

    /// Waits by polling while `fateshare` runs.
    #[track_caller]
    pub(crate) fn until<T>(
        &mut self,
        what: &str,
        mut ask: impl FnMut(&mut Self) -> Option<T>,
    ) -> T {
        let mut over = false;
        let answer = poll(LIMIT, || {
            let answer = ask(self);
            if answer.is_none() && over {
                return Some(None);
            }
            // One more look after the end: the answer may have come together with it. What started
            // fateshare may end before it does, as a shell that is hung up.
            over = self.ended() && self.processes().is_empty();
            answer.map(Some)
        });
        match answer.flatten() {
            Some(answer) => answer,
            None => panic!("it did not come to that {what}\n{}", self.describe()),
        }
    }

    fn ended(&mut self) -> bool {
        if self.status.is_none() {
            self.status = self.wrapper.try_wait().expect("the status of our own child");
        }
        self.status.is_some()
    }

    /// What the fixture programs wrote.
    pub(crate) fn log(&self) -> String {
        read(&self.dir.path().join("log"))
    }

    /// What `fateshare` (and any member) wrote to stderr.
    pub(crate) fn stderr(&self) -> String {
        read(&self.dir.path().join("stderr"))
    }

    /// What the members wrote to stdout.
    pub(crate) fn stdout(&self) -> String {
        read(&self.dir.path().join("stdout"))
    }

    /// Where `fateshare` was started.
    pub(crate) fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// The living processes of the group and `fateshare` itself, as this process sees them.
    pub(crate) fn processes(&self) -> Vec<i32> {
        let wrapper = self.wrapper.id().cast_signed();
        proc::marked(&self.mark).into_iter().filter(|pid| *pid != wrapper).collect()
    }

    /// Waits for the end, and for nothing to be left: no process, no zombie, no file.
    #[track_caller]
    pub(crate) fn end(mut self) -> Ended {
        let ended = self.wait_end();
        let left = read(&self.dir.path().join("left"));
        assert!(left.is_empty(), "left behind (PID, state, name):\n{left}\n{ended}");
        let marked: Vec<String> = self.processes().into_iter().map(proc::describe).collect();
        assert!(marked.is_empty(), "left behind:\n{}\n{ended}", marked.join("\n"));
        self.remove();
        ended
    }

    /// Waits for the end after which something may be left that ends soon by itself.
    #[track_caller]
    pub(crate) fn end_killed(mut self) -> Ended {
        let ended = self.wait_end();
        let gone = poll(LIMIT, || self.processes().is_empty().then_some(()));
        assert!(gone.is_some(), "left behind: {:?}\n{ended}", self.processes());
        self.remove();
        ended
    }

    /// Waits for the end after which these fixture programs live on, unless the kernel ends them
    /// with PID 1; and ends them.
    #[track_caller]
    pub(crate) fn end_leaving(mut self, names: &[&str]) -> Ended {
        if self.mode == Mode::Pid1 {
            return self.end();
        }
        let pids: Vec<i32> = names.iter().map(|name| self.pid(name)).collect();
        let ended = self.wait_end();
        for pid in pids {
            let lives = proc::stat(pid).is_some_and(|stat| stat.state != 'Z');
            assert!(lives, "{pid} of {names:?} is gone\n{ended}");
            send(pid, Signal::SIGKILL as i32);
        }
        let gone = poll(LIMIT, || self.processes().is_empty().then_some(()));
        assert!(gone.is_some(), "left besides {names:?}: {:?}\n{ended}", self.processes());
        self.remove();
        ended
    }

    #[track_caller]
    fn wait_end(&mut self) -> Ended {
        poll(LIMIT, || self.ended().then_some(()));
        let at = Instant::now();
        let Some(status) = self.status else {
            panic!("it did not end within {LIMIT:?}\n{}", self.describe());
        };
        Ended {
            code: status.code(),
            signal: status.signal(),
            stdout: self.stdout(),
            stderr: self.stderr(),
            log: self.log(),
            failed: read(&self.dir.path().join("failed")),
            at,
        }
    }

    /// Nothing was left.
    fn remove(mut self) {
        self.gone = true;
        let dir = self.dir.path();
        fs::remove_dir_all(dir).expect("the directory is removed");
        assert!(!dir.exists());
        self.dir.disable_cleanup(true);
    }

    fn describe(&self) -> String {
        let processes: Vec<String> = self.processes().into_iter().map(proc::describe).collect();
        format!(
            "mode: {:?}\nstatus: {:?}\nprocesses:\n{}\nstderr:\n{}\nlog:\n{}",
            self.mode,
            self.status,
            processes.join("\n"),
            self.stderr(),
            self.log(),
        )
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if self.gone {
            return;
        }
        // Until nobody is left: someone may have been forking while we looked.
        poll(Duration::from_secs(10), || {
            let marked = proc::marked(&self.mark);
            for pid in &marked {
                let _ = kill(Pid::from_raw(*pid), Signal::SIGKILL);
            }
            marked.is_empty().then_some(())
        });
        let _ = self.wrapper.wait();
    }
}

/// How a group ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) signal: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    pub(crate) log: String,
    /// The system calls that were made to fail, a line each.
    pub(crate) failed: String,
    /// When the end was seen.
    pub(crate) at: Instant,
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { code, signal, stdout, stderr, log, .. } = self;
        write!(
            f,
            "code {code:?}, signal {signal:?}\nstdout:\n{stdout}\nstderr:\n{stderr}\nlog:\n{log}"
        )
    }
}

impl Ended {
    /// It ended with this exit code.
    #[track_caller]
    pub(crate) fn code(&self, code: i32) -> &Self {
        assert_eq!(self.code, Some(code), "exit code\n{self}");
        self
    }

    /// One line of stderr has all these parts, in this order.
    #[track_caller]
    pub(crate) fn says(&self, parts: &[&str]) -> &Self {
        let found = self.stderr.lines().any(|line| has_parts(line, parts));
        assert!(found, "no line of stderr has {parts:?}\n{self}");
        self
    }

    /// The verdict has all these parts, in this order, is our own line, and is said once.
    #[track_caller]
    pub(crate) fn verdict(&self, parts: &[&str]) -> &Self {
        let ours = self.ours();
        let found = ours.iter().filter(|line| has_parts(line, parts)).count();
        assert_eq!(found, 1, "one line of ours has {parts:?}\n{self}");
        assert!(self.verdicts().len() <= 1, "more than one verdict\n{self}");
        self
    }

    /// The lines of `fateshare` itself, without their head.
    pub(crate) fn ours(&self) -> Vec<&str> {
        self.stderr.lines().filter_map(|line| line.strip_prefix("fateshare: ")).collect()
    }

    /// The lines that say why the group ended and who is stopped now.
    pub(crate) fn verdicts(&self) -> Vec<&str> {
        self.ours().into_iter().filter(|line| line.contains("; stopping ")).collect()
    }

    /// No line of stderr has this.
    #[track_caller]
    pub(crate) fn silent_about(&self, text: &str) -> &Self {
        assert!(!self.stderr.contains(text), "stderr has `{text}`\n{self}");
        self
    }

    /// The log has this line so many times.
    #[track_caller]
    pub(crate) fn logged(&self, line: &str, times: usize) -> &Self {
        let found = self.log.lines().filter(|found| *found == line).count();
        assert_eq!(found, times, "the log has `{line}`\n{self}");
        self
    }

    /// The log has the first line before the second.
    #[track_caller]
    pub(crate) fn logged_before(&self, first: &str, second: &str) -> &Self {
        let at = |line: &str| self.log.lines().position(|found| found == line);
        assert!(at(first).is_some() && at(second).is_some(), "both `{first}`, `{second}`\n{self}");
        assert!(at(first) < at(second), "`{first}` before `{second}`\n{self}");
        self
    }
}

fn has_parts(line: &str, parts: &[&str]) -> bool {
    let rest = parts
        .iter()
        .try_fold(line, |rest, part| rest.find(part).map(|at| &rest[at + part.len()..]));
    rest.is_some()
}

/// Sends a signal, real-time ones too.
#[track_caller]
pub(crate) fn send(pid: i32, signal: i32) {
    if let Ok(signal) = Signal::try_from(signal) {
        kill(Pid::from_raw(pid), signal).expect("a process to signal");
    } else {
        let script = format!("kill -{signal} {pid}");
        let status = Command::new("/bin/sh").args(["-c", &script]).status().expect("a shell");
        assert!(status.success(), "{script}");
    }
}

fn read(path: &Path) -> String {
    fs::read(path)
        .map_or_else(|_| String::new(), |bytes| String::from_utf8_lossy(&bytes).into_owned())
}
