//! Starting a member: one `clone` that shares our memory until the program runs.
//!
//! `CLONE_VM | CLONE_VFORK` is what `posix_spawn` does too: nothing is copied, and we go on when
//! the child has executed its program or failed. So a failed step needs no pipe: the child writes
//! its number and the `errno` where we can read them. The price is that the child must behave: it
//! runs on a stack of its own, allocates nothing, takes no lock, cannot panic, and no handler may
//! run in it (all signals are blocked until they have been reset).

use std::ffi::{CString, c_int, c_void};
use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::ptr;

use nix::libc;

use super::memory::Stack;
use super::signals;
use crate::core::Pid;

/// What is to be executed, and in which surroundings.
#[derive(Debug)]
pub struct Program {
    file: CString,
    argv: Vec<CString>,
    env: Vec<CString>,
    dir: Option<CString>,
    stdin: Stdin,
}

/// Where a member reads from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stdin {
    /// Where fateshare itself would.
    Inherit,
    /// `/dev/null`.
    Null,
}

/// The steps of starting a member, in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Making a new process.
    Fork,
    /// Making it the leader of a process group.
    Group,
    /// Tying its life to ours (`PR_SET_PDEATHSIG`).
    Tie,
    /// Changing to its directory.
    Directory,
    /// Giving it its standard input.
    Stdin,
    /// Resetting signal dispositions and the mask.
    Signals,
    /// Executing the program.
    Execute,
}

/// The steps a child can report, by the number that it writes.
const CHILD_STEPS: [Step; 6] =
    [Step::Group, Step::Tie, Step::Directory, Step::Stdin, Step::Signals, Step::Execute];

impl Program {
    /// Puts it together; `None` if a text holds a NUL byte, which no program can be given.
    pub fn new(
        file: &Path,
        argv: &[impl AsRef<std::ffi::OsStr>],
        env: impl Iterator<Item = Vec<u8>>,
        dir: Option<&PathBuf>,
        stdin: Stdin,
    ) -> Option<Self> {
        let text = |text: &std::ffi::OsStr| CString::new(text.as_bytes()).ok();
        Some(Self {
            file: text(file.as_os_str())?,
            argv: argv.iter().map(|word| text(word.as_ref())).collect::<Option<_>>()?,
            env: env.map(|pair| CString::new(pair).ok()).collect::<Option<_>>()?,
            dir: match dir {
                Some(dir) => Some(text(dir.as_os_str())?),
                None => None,
            },
            stdin,
        })
    }
}

/// Starts programs. Holds what every start needs.
#[derive(Debug)]
pub struct Spawner {
    stack: Stack,
    null: Option<File>,
}

/// What the child is given, and what it gives back. Shared memory: it outlives the call, because
/// `CLONE_VFORK` keeps us inside until the child is through with it.
struct Shared {
    file: *const libc::c_char,
    argv: *const *const libc::c_char,
    env: *const *const libc::c_char,
    dir: *const libc::c_char,
    stdin: c_int,
    parent: libc::pid_t,
    resets: &'static [c_int],
    /// The index into [`CHILD_STEPS`] of the step under way.
    step: usize,
    /// What that step failed with; 0 while none has.
    errno: c_int,
}

impl Spawner {
    /// Gets ready. Call it after the signal handlers are in place.
    pub fn new() -> io::Result<Self> {
        Ok(Self { stack: Stack::new()?, null: None })
    }

    /// Starts a program as the leader of a process group of its own, with default dispositions, an
    /// empty signal mask, and SIGKILL for it when we die.
    ///
    /// On failure the child, if there was one, is a zombie that the reaper finds like any orphan.
    pub fn spawn(&mut self, program: &Program) -> Result<Pid, (Step, io::Error)> {
        let stdin = self.stdin(program.stdin).map_err(|error| (Step::Stdin, error))?;
        let argv = null_ended(&program.argv);
        let env = null_ended(&program.env);
        let mut shared = Shared {
            file: program.file.as_ptr(),
            argv: argv.as_ptr(),
            env: env.as_ptr(),
            dir: program.dir.as_ref().map_or(ptr::null(), |dir| dir.as_ptr()),
            stdin,
            parent: super::process::own_pid().0,
            resets: signals::not_default(),
            step: 0,
            errno: 0,
        };
        let flags = libc::CLONE_VM | libc::CLONE_VFORK | libc::SIGCHLD;
        // No handler of ours may run in the child: they would write to our memory and our socket.
        signals::block_all();
        // SAFETY: the stack is ours alone and large enough, `child` and `Shared` keep to the rules
        // in this module's head, and CLONE_VFORK keeps all borrows alive until it is through.
        let pid = unsafe { libc::clone(child, self.stack.top(), flags, (&raw mut shared).cast()) };
        let error = io::Error::last_os_error();
        signals::unblock_all();
        if pid == -1 {
            return Err((Step::Fork, error));
        }
        // SAFETY: the place is valid; the child wrote to it behind the compiler's back.
        let errno = unsafe { ptr::read_volatile(&raw const shared.errno) };
        if errno == 0 {
            return Ok(Pid(pid));
        }
        // SAFETY: as above.
        let step = unsafe { ptr::read_volatile(&raw const shared.step) };
        let step = CHILD_STEPS.get(step).copied().unwrap_or(Step::Execute);
        Err((step, io::Error::from_raw_os_error(errno)))
    }

    /// The descriptor to read from, -1 for the inherited one. `/dev/null` is opened when it is
    /// first needed: an image without it can still run a single program.
    fn stdin(&mut self, stdin: Stdin) -> io::Result<c_int> {
        if stdin == Stdin::Inherit {
            return Ok(-1);
        }
        let null = match self.null.take() {
            Some(null) => null,
            None => File::options().read(true).open("/dev/null")?,
        };
        Ok(self.null.insert(null).as_raw_fd())
    }
}

fn null_ended(texts: &[CString]) -> Vec<*const libc::c_char> {
    texts.iter().map(|text| text.as_ptr()).chain([ptr::null()]).collect()
}

/// The child, from `clone` to `execve`.
extern "C" fn child(shared: *mut c_void) -> c_int {
    // SAFETY: it points to the `Shared` of a parent that is suspended until we are through.
    let shared = unsafe { &mut *shared.cast::<Shared>() };
    for (number, step) in CHILD_STEPS.into_iter().enumerate() {
        shared.step = number;
        if take(step, shared) == -1 {
            // SAFETY: it only says where this thread's errno is.
            let place = unsafe { libc::__errno_location() };
            // SAFETY: that place is always valid.
            let errno = unsafe { *place };
            // SAFETY: the place is valid; the parent reads it as volatile.
            unsafe { ptr::write_volatile(&raw mut shared.errno, errno) };
            break;
        }
    }
    // SAFETY: it ends this child only; its memory is the parent's and stays as it is.
    unsafe { libc::_exit(127) }
}

/// One step of the child; -1 and `errno` if it failed.
fn take(step: Step, shared: &Shared) -> c_int {
    match step {
        Step::Fork => 0,
        // Only here, not in the parent too: it goes on after our execve, when the group exists.
        // SAFETY: plain numbers.
        Step::Group => unsafe { libc::setpgid(0, 0) },
        Step::Tie => tie(shared.parent),
        Step::Directory if shared.dir.is_null() => 0,
        // SAFETY: a C string that outlives this child's use of it.
        Step::Directory => unsafe { libc::chdir(shared.dir) },
        Step::Stdin if shared.stdin == -1 => 0,
        // SAFETY: plain numbers; the new descriptor is not close-on-exec.
        Step::Stdin => unsafe { libc::dup2(shared.stdin, 0) },
        Step::Signals => reset_signals(shared.resets),
        // SAFETY: NULL-ended arrays of C strings that outlive this child's use of them.
        Step::Execute => unsafe { libc::execve(shared.file, shared.argv, shared.env) },
    }
}

/// SIGKILL when the parent's spawning thread ends, which is its main thread and so its end.
fn tie(parent: libc::pid_t) -> c_int {
    // SAFETY: this option takes plain numbers.
    let result = unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL, 0, 0, 0) };
    // SAFETY: it takes nothing and cannot fail.
    let now = unsafe { libc::getppid() };
    // A parent that died before the call sends nothing any more.
    if now != parent {
        // SAFETY: it ends this child only.
        unsafe { libc::_exit(127) }
    }
    result
}

/// Default dispositions first, then the mask: a signal that arrives in between finds no handler.
fn reset_signals(numbers: &[c_int]) -> c_int {
    // Our own copy of the table: the parent's stays as it is.
    if numbers.iter().any(|number| signals::set_default(*number) == -1) {
        return -1;
    }
    let mut none = std::mem::MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: it writes a whole set to memory of the right type.
    unsafe { libc::sigemptyset(none.as_mut_ptr()) };
    // SAFETY: the set was just made; no old one is asked for.
    unsafe { libc::sigprocmask(libc::SIG_SETMASK, none.as_ptr(), ptr::null_mut()) }
}
