//! Starting a member: one `clone` that shares our memory until the program runs.
//!
//! `CLONE_VM | CLONE_VFORK` is what `posix_spawn` does too: nothing is copied, and we go on when
//! the child has executed its program or failed. So a failed step needs no pipe: the child writes
//! its number and the `errno` where we can read them. Where a sandbox refuses these flags the child
//! gets a copy of our memory, as by `fork`, and reports through a pipe.

use std::ffi::{CString, OsStr, c_int};
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::ptr;

use nix::libc;

pub use super::child::Step;
use super::child::{CHILD_STEPS, Shared, child, reported};
use super::descriptors::Limit;
use super::memory::Stack;
use super::privileges::Change;
use super::{process, seam, signals};
use crate::core::Pid;

/// What is to be executed, and in which surroundings.
#[derive(Debug)]
pub struct Program {
    file: CString,
    argv: Vec<CString>,
    /// Each ends with a NUL byte.
    env: Vec<Vec<u8>>,
    /// Which of `env` get the child's own number, and from which byte on.
    own_number: Vec<(usize, usize)>,
    dir: Option<CString>,
    /// Where it reads from.
    pub stdin: Stdin,
    /// Its standard output and standard error; `None` for ours.
    pub outputs: Option<[OwnedFd; 2]>,
    /// Whether its group becomes the terminal's foreground.
    pub foreground: bool,
    /// Whether it has no controlling terminal, be there one.
    pub no_terminal: bool,
    /// The limit on descriptors that it gets instead of ours.
    pub limit: Option<Limit>,
    /// What becomes its `oom_score_adj`.
    pub oom_score_adj: Option<i16>,
    /// Whom it becomes.
    pub change: Option<Change>,
    /// Whether it can never gain privileges.
    pub no_new_privs: bool,
    /// How many passed descriptors it gets.
    pub sockets: i32,
}

/// Where a member reads from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stdin {
    /// Where fateshare itself would.
    Inherit,
    /// `/dev/null`.
    Null,
    /// This descriptor of ours, open until the start is over.
    Descriptor(RawFd),
}

/// The most digits that a process number has, with a NUL byte behind them.
const OWN_NUMBER: &[u8] = b"0000000000\0";

impl Program {
    /// Puts it together, with nothing special; `None` if a text holds a NUL byte, which no program
    /// can be given.
    pub fn new(
        file: &Path,
        argv: &[impl AsRef<OsStr>],
        env: impl Iterator<Item = Vec<u8>>,
        dir: Option<&Path>,
    ) -> Option<Self> {
        let text = |text: &OsStr| CString::new(text.as_bytes()).ok();
        Some(Self {
            file: text(file.as_os_str())?,
            argv: argv.iter().map(|word| text(word.as_ref())).collect::<Option<_>>()?,
            env: env
                .map(|pair| CString::new(pair).ok().map(CString::into_bytes_with_nul))
                .collect::<Option<_>>()?,
            own_number: Vec::new(),
            dir: match dir {
                Some(dir) => Some(text(dir.as_os_str())?),
                None => None,
            },
            stdin: Stdin::Null,
            outputs: None,
            foreground: false,
            no_terminal: false,
            limit: None,
            oom_score_adj: None,
            change: None,
            no_new_privs: false,
            sockets: 0,
        })
    }

    /// Adds a variable whose value is the number of the process that will run.
    pub fn tell_own_number(&mut self, name: &str) {
        let mut pair = name.as_bytes().to_vec();
        pair.push(b'=');
        self.own_number.push((self.env.len(), pair.len()));
        pair.extend_from_slice(OWN_NUMBER);
        self.env.push(pair);
    }
}

/// How a new process is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// It shares our memory until it executes its program.
    Sharing,
    /// It gets a copy.
    Copying,
}

/// Starts programs. Holds what every start needs.
#[derive(Debug)]
pub struct Spawner {
    stack: Stack,
    null: Option<File>,
    way: Way,
}

/// A process that was started, and whether we can still hear signals.
#[derive(Debug)]
pub struct Started {
    /// Which process.
    pub pid: Pid,
    /// What went wrong on our side after it was started.
    pub deaf: Option<io::Error>,
}

impl Spawner {
    /// Gets ready. Call it after the signal handlers are in place.
    pub fn new() -> io::Result<Self> {
        Ok(Self { stack: Stack::new()?, null: None, way: Way::Sharing })
    }

    /// Starts a program as the leader of a process group of its own, with default dispositions, an
    /// empty signal mask, and SIGKILL for it when we die.
    ///
    /// On failure the child, if there was one, is a zombie that the reaper finds like any orphan, or a
    /// process that a walk finds (when only its report could not be read).
    pub fn spawn(&mut self, program: &mut Program) -> Result<Started, (Step, io::Error)> {
        let stdin = self.stdin(program.stdin).map_err(|error| (Step::Stdin, error))?;
        let argv = null_ended(program.argv.iter().map(|word| word.as_ptr()));
        let own_number: Vec<*mut u8> = program
            .own_number
            .iter()
            .filter_map(|&(at, offset)| {
                Some(program.env.get_mut(at)?.get_mut(offset..)?.as_mut_ptr())
            })
            .collect();
        let env = null_ended(program.env.iter().map(|pair| pair.as_ptr().cast()));
        let oom_score = program.oom_score_adj.map(|value| value.to_string());
        let mut shared = Shared {
            file: program.file.as_ptr(),
            argv: argv.as_ptr(),
            env: env.as_ptr(),
            dir: program.dir.as_ref().map_or(ptr::null(), |dir| dir.as_ptr()),
            stdin,
            outputs: program.outputs.as_ref().map(|fds| fds.each_ref().map(AsRawFd::as_raw_fd)),
            foreground: program.foreground,
            no_terminal: program.no_terminal,
            limit: program.limit,
            oom_score: oom_score.as_ref().map(String::as_bytes),
            change: program.change.as_ref(),
            no_new_privs: program.no_new_privs,
            sockets: program.sockets,
            own_number: &own_number,
            parent: process::own_pid().0,
            resets: signals::not_default(),
            report: -1,
            step: 0,
            errno: 0,
        };
        // No handler of ours may run in the child: they would write to our memory and our socket.
        signals::block_all().map_err(|error| (Step::Signals, error))?;
        let made = self.make(&mut shared);
        if program.change.is_some() {
            process::stay_readable();
        }
        let deaf = signals::unblock_all().err();
        let pid = made?;
        // SAFETY: the place is valid; the child may have written to it behind the compiler's back.
        let errno = unsafe { ptr::read_volatile(&raw const shared.errno) };
        if errno == 0 {
            return Ok(Started { pid, deaf });
        }
        // SAFETY: as above.
        let step = unsafe { ptr::read_volatile(&raw const shared.step) };
        let step = CHILD_STEPS.get(step).copied().unwrap_or(Step::Execute);
        Err((step, io::Error::from_raw_os_error(errno)))
    }

    /// Makes the process and waits until it has executed its program or failed.
    fn make(&mut self, shared: &mut Shared<'_>) -> Result<Pid, (Step, io::Error)> {
        let failed = |error| (Step::Fork, error);
        if self.way == Way::Sharing {
            let flags = libc::CLONE_VM | libc::CLONE_VFORK | libc::SIGCHLD;
            match self.clone("clone", flags, shared) {
                Err(error) if is_refused(&error) => self.way = Way::Copying,
                made => return made.map_err(failed),
            }
        }
        let (mut read, write) = seam::call("pipe", io::pipe).map_err(failed)?;
        shared.report = write.as_raw_fd();
        let pid = self.clone("fork", libc::SIGCHLD, shared).map_err(failed)?;
        drop(write);
        let mut message = Vec::new();
        // Closed by the execve, or with the child: nobody else has the other end.
        let read = seam::call("read_pipe", || read.read_to_end(&mut message));
        if let Err(error) = read {
            return Err((Step::Execute, error));
        }
        if let Some((step, errno)) = reported(&message) {
            (shared.step, shared.errno) = (step, errno);
        }
        Ok(pid)
    }

    fn clone(&self, name: &'static str, flags: c_int, shared: &mut Shared<'_>) -> io::Result<Pid> {
        let shared = ptr::from_mut(shared).cast();
        let pid = seam::checked(name, || {
            // SAFETY: the stack is ours alone and large enough, and `child` and `Shared` keep to
            // the rules in that module's head. With shared memory CLONE_VFORK keeps all borrows
            // alive until the child is through; without it the child has a copy.
            unsafe { libc::clone(child, self.stack.top(), flags, shared) }
        })?;
        Ok(Pid(pid))
    }

    /// The descriptor to read from, -1 for the inherited one. `/dev/null` is opened when it is
    /// first needed: an image without it can still run a single program.
    fn stdin(&mut self, stdin: Stdin) -> io::Result<c_int> {
        match stdin {
            Stdin::Inherit => return Ok(-1),
            Stdin::Descriptor(number) => return Ok(number),
            Stdin::Null => {}
        }
        let null = match self.null.take() {
            Some(null) => null,
            None => seam::call("open_null", || File::options().read(true).open("/dev/null"))?,
        };
        Ok(self.null.insert(null).as_raw_fd())
    }
}

/// What a sandbox answers that does not know these flags or does not want them.
fn is_refused(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EPERM | libc::EINVAL | libc::ENOSYS))
}

fn null_ended(texts: impl Iterator<Item = *const libc::c_char>) -> Vec<*const libc::c_char> {
    texts.chain([ptr::null()]).collect()
}
