//! A terminal to run groups on: a pseudo-terminal whose other side is the test.
//!
//! What is started [`on`](Group::on) it leads a session of its own and has the slave as its
//! controlling terminal: `fateshare` itself, like `ssh -t host fateshare run` (and as PID 1 like
//! `docker run -it`), or an interactive shell that is told to run it.

use std::fs::{self, File};
use std::io::{PipeWriter, Read, Write, pipe};
use std::os::fd::AsFd;
use std::os::unix::fs::OpenOptionsExt;
use std::process::Command;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use nix::fcntl::OFlag;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll as ready};
use nix::pty::{PtyMaster, grantpt, posix_openpt, ptsname_r, unlockpt};
use nix::sys::termios::{Termios, tcgetattr};
use nix::unistd::tcgetpgrp;

use super::{Ended, Group, LIMIT, Running, fateshare, find_program, poll, proc};

/// What bash shows when it waits for a command.
pub(crate) const PROMPT: &str = "[your wish] ";

/// A terminal as the one who sits before it has it.
pub(crate) struct Terminal {
    master: Option<Arc<PtyMaster>>,
    slave: File,
    shown: Arc<Mutex<Vec<u8>>>,
    reader: Option<(PipeWriter, JoinHandle<()>)>,
    /// So much of what was shown has been waited for.
    seen: usize,
}

impl Terminal {
    pub(crate) fn new() -> Self {
        // Not `openpty`: without close-on-exec from the first moment, what other tests start at
        // that time would hold this master, and then nothing could close it.
        let master = posix_openpt(OFlag::O_RDWR | OFlag::O_NOCTTY | OFlag::O_CLOEXEC)
            .expect("a pseudo-terminal");
        grantpt(&master).expect("its slave is ours");
        unlockpt(&master).expect("its slave can be opened");
        let slave = File::options()
            .read(true)
            .write(true)
            .custom_flags(OFlag::O_NOCTTY.bits())
            .open(ptsname_r(&master).expect("the name of its slave"))
            .expect("its slave");
        let master = Arc::new(master);
        let shown = Arc::new(Mutex::new(Vec::new()));
        let reader = read_in_background(Arc::clone(&master), Arc::clone(&shown));
        Self { master: Some(master), slave, shown, reader: Some(reader), seen: 0 }
    }

    /// The side that programs have.
    pub(crate) fn slave(&self) -> File {
        self.slave.try_clone().expect("one more descriptor")
    }

    fn master(&self) -> &PtyMaster {
        self.master.as_ref().expect("it was not hung up")
    }

    /// Presses keys: `\x03` is Ctrl-C, `\x1a` Ctrl-Z, `\r` Return.
    pub(crate) fn press(&self, keys: &str) {
        let mut master = self.master();
        master.write_all(keys.as_bytes()).expect("the keys are taken");
    }

    /// Types a line.
    pub(crate) fn type_line(&self, line: &str) {
        self.press(&format!("{line}\r"));
    }

    /// Everything that it has shown, without carriage returns.
    pub(crate) fn shown(&self) -> String {
        let shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(&shown).replace('\r', "")
    }

    /// Everything that was written to it so far, also what was still on its way: what stands before a mark
    /// of ours.
    #[track_caller]
    pub(crate) fn all_shown(&self) -> String {
        const MARK: &str = "\u{1e}";
        (&self.slave).write_all(MARK.as_bytes()).expect("it takes what is written");
        let all = poll(LIMIT, || self.shown().split_once(MARK).map(|(all, _)| all.to_owned()));
        all.expect("the mark is shown")
    }

    /// Waits until this is shown, after all that was waited for before.
    #[track_caller]
    pub(crate) fn wait_shown(&mut self, text: &str) {
        let from = self.seen;
        let found = poll(LIMIT, || {
            let shown = self.shown();
            let at = shown.get(from..)?.find(text)?;
            Some(from + at + text.len())
        });
        let Some(seen) = found else {
            panic!("it did not show `{text}`\n{}", self.describe());
        };
        self.seen = seen;
    }

    /// Types a command, which bash runs, and waits until it shows this and then the prompt.
    #[track_caller]
    pub(crate) fn ask(&mut self, command: &str, answer: &str) {
        self.type_line(command);
        // The echo of what was typed is no answer.
        self.wait_shown(&format!("{command}\n"));
        self.wait_shown(answer);
        self.wait_shown(PROMPT);
    }

    /// Asks bash for a prompt until it tells this of a job: it does so before a prompt only.
    #[track_caller]
    pub(crate) fn wait_told(&mut self, text: &str) {
        let from = self.seen;
        for _ in 0..100 {
            self.ask("", "");
            if self.shown()[from..self.seen].contains(text) {
                return;
            }
            thread::sleep(Duration::from_millis(20));
        }
        panic!("bash did not tell `{text}`\n{}", self.describe());
    }

    /// Types a line that the one who reads it shows again, like `cat`.
    #[track_caller]
    pub(crate) fn echoes(&mut self, line: &str) {
        self.type_line(line);
        // Other lines may come in between.
        self.wait_shown(&format!("{line}\n"));
        self.wait_shown(&format!("{line}\n"));
    }

    /// Asserts that bash has its prompt, is in the foreground, and works.
    #[track_caller]
    pub(crate) fn bash_works(&mut self, group: &mut Running) {
        self.ask("echo $((40 + 2))", "42\n");
        self.wait_foreground(group.leader());
    }

    /// The foreground process group as this process sees it; 0 while there is none.
    pub(crate) fn foreground(&self) -> i32 {
        tcgetpgrp(self.master()).expect("a terminal").as_raw()
    }

    #[track_caller]
    pub(crate) fn wait_foreground(&self, group: i32) {
        let found = poll(LIMIT, || (self.foreground() == group).then_some(()));
        assert!(found.is_some(), "{group} is not in the foreground\n{}", self.describe());
    }

    /// Waits until this program, by its short name, leads the foreground process group.
    #[track_caller]
    pub(crate) fn wait_foreground_runs(&self, program: &str) -> i32 {
        let found = poll(LIMIT, || {
            let pid = self.foreground();
            let name = fs::read_to_string(format!("/proc/{pid}/comm")).ok()?;
            (name.trim_end() == program).then_some(pid)
        });
        found.unwrap_or_else(|| panic!("{program} is not in front\n{}", self.describe()))
    }

    /// Speed, special characters and modes.
    pub(crate) fn settings(&self) -> Termios {
        tcgetattr(self.master()).expect("a terminal")
    }

    /// Pulls the window to another size.
    pub(crate) fn resize(&self, rows: u16) {
        // One number only: `stty` sets each for itself, and each would be told.
        let status = Command::new("stty")
            .args(["rows", &rows.to_string()])
            .stdin(self.slave())
            .status()
            .expect("stty");
        assert!(status.success(), "the new size is taken");
    }

    /// Presses Ctrl-S, and waits until nothing can be written any more.
    #[track_caller]
    pub(crate) fn stop_output(&self) {
        self.press("\x13");
        let stopped = poll(LIMIT, || (!self.takes_output()).then_some(()));
        assert!(stopped.is_some(), "its output goes on\n{}", self.describe());
    }

    /// Whether a program that writes would not have to wait.
    pub(crate) fn takes_output(&self) -> bool {
        let mut fds = [PollFd::new(self.slave.as_fd(), PollFlags::POLLOUT)];
        ready(&mut fds, PollTimeout::ZERO).expect("a terminal to ask");
        fds[0].revents().is_some_and(|events| events.contains(PollFlags::POLLOUT))
    }

    /// Closes our side, as an emulator's window or a lost connection does.
    pub(crate) fn hang_up(&mut self) {
        if let Some((stop, reader)) = self.reader.take() {
            drop(stop);
            reader.join().expect("the reader ends");
        }
        let master = self.master.take().and_then(Arc::into_inner);
        drop(master.expect("nobody else has our side"));
        // What another test starts just now has a copy of it until it executes its program, which takes a
        // while on a busy machine.
        poll(LIMIT, || {
            let mut slave = [PollFd::new(self.slave.as_fd(), PollFlags::POLLIN)];
            ready(&mut slave, PollTimeout::ZERO).ok()?;
            // Only what was hung up has errors.
            slave[0].revents()?.contains(PollFlags::POLLERR).then_some(())
        })
        .expect("the terminal is hung up");
    }

    /// The end of the group, with what the terminal has shown for its stderr.
    #[track_caller]
    pub(crate) fn end(&mut self, group: Running) -> Ended {
        let mut ended = group.end();
        // What was written last may still be on its way.
        poll(Duration::from_secs(2), || self.shown().contains("; exit ").then_some(()));
        ended.stderr = self.said();
        ended
    }

    /// What it has shown without the keys that it echoes so (`^C`): our lines begin behind them.
    pub(crate) fn said(&self) -> String {
        ["^C", "^Z", "^\\"].iter().fold(self.shown(), |text, key| text.replace(key, ""))
    }

    pub(crate) fn describe(&self) -> String {
        let foreground = self.master.as_ref().map(|_| proc::describe(self.foreground()));
        format!("foreground: {foreground:?}\nshown:\n{}", self.shown())
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        if let Some((stop, reader)) = self.reader.take() {
            drop(stop);
            let _ = reader.join();
        }
    }
}

/// Keeps what is shown, until the pipe is closed.
fn read_in_background(
    master: Arc<PtyMaster>,
    shown: Arc<Mutex<Vec<u8>>>,
) -> (PipeWriter, JoinHandle<()>) {
    let (stop, stopper) = pipe().expect("a pipe");
    let reader = thread::spawn(move || {
        let mut bytes = [0; 4096];
        loop {
            let mut fds = [
                PollFd::new(master.as_fd(), PollFlags::POLLIN),
                PollFd::new(stop.as_fd(), PollFlags::POLLIN),
            ];
            if ready(&mut fds, PollTimeout::NONE).is_err() {
                continue;
            }
            if fds[1].any() == Some(true) {
                return;
            }
            match (&*master).read(&mut bytes) {
                Ok(count) => shown
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .extend_from_slice(&bytes[..count]),
                // Nobody has the other side just now.
                Err(_) => thread::sleep(Duration::from_millis(2)),
            }
        }
    });
    (stopper, reader)
}

impl Group {
    /// Starts it as the leader of a session that has this terminal.
    pub(crate) fn on(self, terminal: &Terminal) -> Self {
        self.leading("\"$@\"", terminal)
    }

    /// Starts a script in the place of `fateshare`, in a session that has this terminal and that
    /// the program which it becomes leads.
    pub(crate) fn script_on(self, terminal: &Terminal, script: &str) -> Self {
        self.env("SCRIPT", script).leading("/bin/sh -c \"$SCRIPT\"", terminal)
    }

    /// Starts an interactive bash in a session that has this terminal. It finds `fateshare`, and
    /// the spec is `group.yml`.
    pub(crate) fn under_bash(self, terminal: &Terminal) -> Self {
        self.leading("bash --norc --noprofile --noediting -i", terminal)
    }

    /// Writes its stderr to a file, which can be read when the terminal is gone.
    pub(crate) fn stderr_in_a_file(self) -> Self {
        let file = File::create(self.dir().join("stderr")).expect("a file for the output");
        self.stderr(file)
    }

    fn leading(self, script: &str, terminal: &Terminal) -> Self {
        for needed in ["setsid", "bash", "stty"] {
            assert!(
                find_program(needed).is_some(),
                "tests on a terminal need the program {needed}"
            );
        }
        // A background job of a script has them ignored: the terminal's keys would do nothing.
        let script = format!("exec env --default-signal=INT,QUIT,HUP setsid --ctty {script}");
        let programs = fateshare().parent().expect("a directory").display().to_string();
        let home = self.dir().display().to_string();
        self.env("PATH", &format!("{programs}:/usr/local/bin:/usr/bin:/bin"))
            .env("FATESHARE_LOG_FORMAT", "raw")
            .env("TERM", "dumb")
            .env("PS1", PROMPT)
            // A shell's history goes there.
            .env("HOME", &home)
            .after_script(&script)
            .stdin(terminal.slave())
            .stdout(terminal.slave())
            .stderr(terminal.slave())
    }
}

impl Running {
    /// The leader of the session on the terminal, as this process sees it.
    #[track_caller]
    pub(crate) fn leader(&mut self) -> i32 {
        self.until("a session begins", |group| {
            let mut found = group.processes().into_iter();
            found.find(|&pid| proc::stat(pid).is_some_and(|stat| stat.session == pid))
        })
    }

    /// Asserts that the process stays in this state for a while.
    #[track_caller]
    pub(crate) fn stays(&mut self, pid: i32, state: char) {
        self.wait_state(pid, state);
        for _ in 0..10 {
            thread::sleep(Duration::from_millis(10));
            let now = proc::stat(pid).map(|stat| stat.state);
            assert_eq!(now, Some(state), "{}", proc::describe(pid));
        }
    }
}
