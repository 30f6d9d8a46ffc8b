//! A copy of ourselves that runs a group, so that we can recreate it; or one in namespaces of its own,
//! where it is PID 1.

use std::ffi::{CStr, c_int};
use std::fmt;
use std::fs;
use std::io::{self, PipeReader, PipeWriter, Read, Write};

use nix::libc;
use nix::unistd::{getegid, geteuid};

use super::{privileges, process, seam};
use crate::core::Pid;

/// Where the copy lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// With us, in our process group.
    Here,
    /// As PID 1 of a PID namespace of its own, with a `/proc` of its own; in a user namespace too where we
    /// may not make the others without.
    Apart {
        /// Whether it is in a process group of its own too, so that it can have the terminal.
        own_group: bool,
    },
}

/// Why there is no copy, or none that could begin.
#[derive(Debug)]
pub struct Refused {
    /// The copy that could not begin, if there is one: it ends by itself, and is to be reaped.
    pub copy: Option<Pid>,
    step: Step,
    error: io::Error,
    cause: Option<String>,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.step.what(), self.error)?;
        match &self.cause {
            Some(cause) => write!(f, " ({cause})"),
            None => Ok(()),
        }
    }
}

/// What has to be done, in its order; the copy reports the number of what failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Start,
    Tie,
    Group,
    Users,
    Mounts,
    Proc,
}

impl Step {
    const ALL: [Self; 6] =
        [Self::Start, Self::Tie, Self::Group, Self::Users, Self::Mounts, Self::Proc];

    fn what(self) -> &'static str {
        match self {
            Self::Start => "cannot make a process",
            Self::Tie => "cannot tie its life to ours (PR_SET_PDEATHSIG)",
            Self::Group => "cannot give it a process group",
            Self::Users => "cannot map our user into a user namespace",
            Self::Mounts => "cannot make its mounts private",
            Self::Proc => "cannot mount a /proc of its own",
        }
    }
}

/// What a copy is made with.
#[derive(Clone, Copy, Debug)]
struct Namespaces {
    flags: c_int,
    /// Our user and group, if it gets a user namespace: inside they have no numbers at first.
    own: Option<(u32, u32)>,
}

impl Namespaces {
    fn of(place: Place) -> Self {
        if place == Place::Here {
            return Self { flags: 0, own: None };
        }
        let flags = libc::CLONE_NEWPID | libc::CLONE_NEWNS;
        // With the privilege nobody's files become somebody else's, and members may be other users.
        if privileges::may_administer() {
            return Self { flags, own: None };
        }
        let own = Some((geteuid().as_raw(), getegid().as_raw()));
        Self { flags: flags | libc::CLONE_NEWUSER, own }
    }
}

/// Starts a copy of this process that does this work, and leaves with the code that it gives. Call it
/// with all signals blocked, and before there is a second thread.
///
/// We go on when the copy is set up; it goes on when `ready` has returned. It is told to stop when we
/// die (SIGTERM), or killed (as PID 1, and with it all that it started).
pub fn start(
    place: Place,
    ready: impl FnOnce(Pid),
    work: impl FnOnce() -> u8,
) -> Result<Pid, Refused> {
    let at_start = |error| Refused { copy: None, step: Step::Start, error, cause: None };
    // How it went, from the copy; and the word to go on, from us.
    let (mut report, reporter) = seam::call("pipe", io::pipe).map_err(at_start)?;
    let (gate, mut go) = seam::call("pipe", io::pipe).map_err(at_start)?;
    let namespaces = Namespaces::of(place);
    let pid = match fork(namespaces.flags) {
        Ok(Some(pid)) => pid,
        Ok(None) => {
            drop((report, go));
            live(place, namespaces, reporter, gate, work);
        }
        Err(error) => {
            let cause = cause(Step::Start, &error, place);
            return Err(Refused { cause, ..at_start(error) });
        }
    };
    drop((reporter, gate));
    let mut told = Vec::new();
    let read = seam::call("read_pipe", || report.read_to_end(&mut told));
    let failed = match (read, told.as_slice()) {
        (Err(error), _) => Some((Step::Start, error)),
        (Ok(_), [SET_UP]) => None,
        (Ok(_), [step, errno @ ..]) => {
            let errno = errno.first_chunk().map_or(0, |errno| c_int::from_ne_bytes(*errno));
            let step = Step::ALL.get(usize::from(*step)).copied().unwrap_or(Step::Start);
            Some((step, io::Error::from_raw_os_error(errno)))
        }
        (Ok(_), []) => Some((Step::Start, io::Error::other("it ended before it had begun"))),
    };
    if let Some((step, error)) = failed {
        let cause = cause(step, &error, place);
        return Err(Refused { copy: Some(pid), step, error, cause });
    }
    ready(pid);
    match seam::call("write_pipe", || go.write_all(&[SET_UP])) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Refused { copy: Some(pid), ..at_start(error) })
        }
        // If it is gone already, its end says so.
        _ => Ok(pid),
    }
}

/// What says that everything went well; no step has this number.
const SET_UP: u8 = u8::MAX;

/// Copies this process; `None` in the copy.
fn fork(flags: c_int) -> io::Result<Option<Pid>> {
    let pid = if flags == 0 {
        seam::checked("fork_copy", || {
            // SAFETY: there is one thread alone, so nothing that another one holds is copied.
            unsafe { libc::fork() }
        })?
    } else {
        seam::checked("clone_apart", || {
            let flags = libc::c_long::from(flags | libc::SIGCHLD);
            // SAFETY: without CLONE_VM and without a stack it is a `fork` (`clone(2)`); with one
            // thread alone nothing that another one holds is copied.
            let pid = unsafe { libc::syscall(libc::SYS_clone, flags, 0, 0, 0, 0) };
            c_int::try_from(pid).unwrap_or(-1)
        })?
    };
    Ok((pid > 0).then_some(Pid(pid)))
}

/// The copy's life.
fn live(
    place: Place,
    namespaces: Namespaces,
    mut reporter: PipeWriter,
    mut gate: PipeReader,
    work: impl FnOnce() -> u8,
) -> ! {
    if let Err((step, error)) = set_up(place, namespaces) {
        let number = Step::ALL.iter().position(|it| *it == step).unwrap_or(0);
        let mut message = vec![u8::try_from(number).unwrap_or(0)];
        message.extend(error.raw_os_error().unwrap_or(libc::EIO).to_ne_bytes());
        // Nobody is left to tell if this fails.
        let _ = reporter.write_all(&message);
        process::leave(1);
    }
    let told = reporter.write_all(&[SET_UP]);
    drop(reporter);
    // Whoever made us may have died before it was tied to us: then nobody opens the gate.
    if told.is_err() || gate.read_exact(&mut [0]).is_err() {
        process::leave(1);
    }
    drop(gate);
    process::leave(work());
}

fn set_up(place: Place, namespaces: Namespaces) -> Result<(), (Step, io::Error)> {
    let at = |step| move |error| (step, error);
    let signal = if place == Place::Here { libc::SIGTERM } else { libc::SIGKILL };
    process::end_with_parent(signal).map_err(at(Step::Tie))?;
    if place == Place::Here {
        return Ok(());
    }
    if place == (Place::Apart { own_group: true }) {
        // SAFETY: plain numbers.
        seam::checked("setpgid_apart", || unsafe { libc::setpgid(0, 0) })
            .map_err(at(Step::Group))?;
    }
    if let Some(own) = namespaces.own {
        map_own_user(own).map_err(at(Step::Users))?;
    }
    // A mount of ours must not come up outside; what is mounted outside may come up here.
    mount(c"none", c"/", c"", libc::MS_REC | libc::MS_SLAVE).map_err(at(Step::Mounts))?;
    let safe = libc::MS_NOSUID | libc::MS_NODEV | libc::MS_NOEXEC;
    mount(c"proc", c"/proc", c"proc", safe).map_err(at(Step::Proc))
}

/// Our own user and group keep their numbers, and there are no others (`user_namespaces(7)`).
fn map_own_user((uid, gid): (u32, u32)) -> io::Result<()> {
    let write = |file: &str, text: String| seam::call("write_id_map", || fs::write(file, text));
    write("/proc/self/setgroups", "deny".to_owned())?;
    write("/proc/self/uid_map", format!("{uid} {uid} 1"))?;
    write("/proc/self/gid_map", format!("{gid} {gid} 1"))
}

fn mount(source: &CStr, target: &CStr, kind: &CStr, flags: libc::c_ulong) -> io::Result<()> {
    seam::checked("mount", || {
        // SAFETY: the texts end with a NUL byte, and no data is passed.
        unsafe {
            libc::mount(source.as_ptr(), target.as_ptr(), kind.as_ptr(), flags, std::ptr::null())
        }
    })
    .map(drop)
}

/// Why the kernel refuses namespaces, as far as it can be found out.
fn cause(step: Step, error: &io::Error, place: Place) -> Option<String> {
    if place == Place::Here {
        return None;
    }
    let text = |file: &str| seam::call("read_sysctl", || fs::read_to_string(file)).ok();
    let number = |file: &str| text(file)?.trim().parse::<u64>().ok();
    let denied = matches!(error.raw_os_error(), Some(libc::EPERM | libc::EACCES));
    let status = text("/proc/self/status").unwrap_or_default();
    let filtered = status.lines().any(|line| line.split_whitespace().eq(["Seccomp:", "2"]));
    let none = |kind: &&str| number(&format!("/proc/sys/user/max_{kind}_namespaces")) == Some(0);
    let restricted = number("/proc/sys/kernel/apparmor_restrict_unprivileged_userns") == Some(1);
    match step {
        Step::Start if error.raw_os_error() == Some(libc::ENOSPC) => {
            let kind = ["user", "pid", "mnt"].into_iter().find(none);
            Some(kind.map_or_else(
                || "there are as many namespaces as the kernel allows, or they are nested too deeply".to_owned(),
                |kind| format!("user.max_{kind}_namespaces is 0: set it higher with sysctl"),
            ))
        }
        Step::Start if denied && number("/proc/sys/kernel/unprivileged_userns_clone") == Some(0) => {
            Some("kernel.unprivileged_userns_clone is 0: set it to 1 with sysctl".to_owned())
        }
        Step::Start if denied && filtered => Some(
            "a seccomp filter forbids new namespaces, as a container's default one does: in a \
             container fateshare is PID 1 without --pid1"
                .to_owned(),
        ),
        Step::Users | Step::Mounts | Step::Proc if denied && restricted => Some(
            "kernel.apparmor_restrict_unprivileged_userns is 1: set it to 0 with sysctl, or give \
             fateshare an AppArmor profile that allows userns"
                .to_owned(),
        ),
        Step::Start if denied => {
            Some("a security module forbids new namespaces, or this is a chroot".to_owned())
        }
        Step::Proc if denied => Some(
            "parts of /proc are masked here, as a container's engine does, and the kernel shows no \
             whole one then: in a container fateshare is PID 1 without --pid1"
                .to_owned(),
        ),
        _ => None,
    }
}
