//! The one program that the tests run as a member of a group. It does what its arguments say.
//!
//! ```text
//! fixture LOG NAME WORD...            LOG is a file, `-` for none
//! fixture guard REPORT PROGRAM ARG... runs the program, then reports what it left behind
//! ```
//!
//! Every line of the log is one `write` to a file opened for appending: `NAME: started PID`,
//! `NAME: got SIGTERM`, `NAME: ends 0`. First the words that prepare are obeyed, then `started` is
//! written, then the others follow in order. Without a word that ends it, the program ends with 0.
//!
//! | prepare | |
//! | --- | --- |
//! | `take=SIG,..` | log each of these signals (`all`: every one that can be taken) and live on |
//! | `count=SIG,..` | the same without a line for each; `counts` tells |
//! | `exit-on=SIG:CODE[:MS]` | log the signal, and end with CODE after MS milliseconds |
//! | `block=SIG,..` | block these signals; what is executed later inherits that |
//! | `session` | become the leader of a new session |
//! | `become-root` | become root, as which no other user may signal it |
//! | `tty` | log whether it is in the foreground of the terminal that it reads from |
//!
//! | do | |
//! | --- | --- |
//! | `wait` | until a signal ends it |
//! | `sleep=MS`, `until=FILE` | go on after a time, or when the file exists |
//! | `exit=CODE`, `raise=SIG` | end, or die by a signal (without a core dump) |
//! | `read` | log the next line of stdin |
//! | `stop` | SIGSTOP itself |
//! | `send=SIG`, `send-parent=SIG` | send itself, or its parent, this signal |
//! | `listen=PORT` | listens on 127.0.0.1 for as long as it lives |
//! | `say=TEXT`, `print=TEXT` | a line to the log, to stdout |
//! | `counts=KINDS` | when so many kinds of signals have come, log how often each did |
//! | `child [ NAME WORD.. ]` | start a child and go on |
//! | `thread [ NAME WORD.. ]` | start a child from another thread, which lives on, and go on |
//! | `run [ NAME WORD.. ]` | start a child and wait for its end |
//! | `forward=SIG [ NAME WORD.. ]` | start a child, pass the signal on to it, end with its code |
//! | `chain=LINKS:MS` | after MS milliseconds start a successor in its own session that takes SIGTERM; end |
//! | `again=NAME` | the next process gets the number that NAME had (in a PID namespace of our own) |
//! | `chat=SEED:MS[:whole]` | write numbered lines, and leave children behind (`tests/support/chatter.rs`) |
//! | `eat` | take one piece of memory after the other and use it, until killed for it |
//! | `close`, `fill` | close stdout; write lines to it, as fast as they are taken, until killed |
//! | `leak=COUNT` | open so many descriptors, or all that it may have; what is executed later inherits them |
//! | `bomb` | copy itself without end, as each copy does, and never give up |
//! | `refuse=CALL,..` | from now on these system calls fail with EPERM |
//! | `exec PROGRAM ARG..` | become this program |

mod chatter;
mod guard;

use std::collections::BTreeMap;
use std::env;
use std::fs::{self, File, OpenOptions};
use std::io::{self, PipeReader, Read, Write};
use std::ops::ControlFlow;
use std::os::fd::AsFd;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{self, Child, Command, ExitCode};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::libc;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::prctl;
use nix::sys::signal::{SigSet, SigmaskHow, Signal, kill, raise};
use nix::unistd::{
    Gid, Pid, Uid, close, fork, getgid, getpgrp, getppid, setresgid, setresuid, setsid, tcgetpgrp,
};

/// Either the next word is obeyed, or the program ends with this code.
type Flow = ControlFlow<u8>;

/// How often a condition is looked at that nothing announces.
const GLANCE: Duration = Duration::from_millis(2);

fn main() -> ExitCode {
    let args: Vec<String> = env::args().skip(1).collect();
    let code = match args.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["guard", report, program @ ..] => guard::guard(Path::new(report), program),
        [log, name, ..] => Actor::new(log, name).perform(&parse(&args[2..])),
        _ => panic!("usage: fixture LOG NAME WORD.. | fixture guard REPORT PROGRAM ARG.."),
    };
    ExitCode::from(code)
}

/// One word of the language, with the words between its brackets.
struct Word<'a> {
    verb: &'a str,
    value: &'a str,
    inner: &'a [String],
}

fn parse(mut args: &[String]) -> Vec<Word<'_>> {
    let mut words = Vec::new();
    while let Some((first, mut rest)) = args.split_first() {
        let (verb, value) = first.split_once('=').unwrap_or((first, ""));
        let mut inner: &[String] = &[];
        if verb == "exec" {
            (inner, rest) = (rest, &[]);
        } else if rest.first().is_some_and(|next| next == "[") {
            let mut depth = 0_usize;
            let end = rest
                .iter()
                .position(|word| {
                    match word.as_str() {
                        "[" => depth += 1,
                        "]" => depth -= 1,
                        _ => {}
                    }
                    depth == 0
                })
                .expect("a closing bracket");
            (inner, rest) = (&rest[1..end], &rest[end + 1..]);
        }
        words.push(Word { verb, value, inner });
        args = rest;
    }
    words
}

/// Signals that reach this process, counted one by one: the kernel's handler writes a byte for each.
struct Tap {
    signal: i32,
    bytes: PipeReader,
    told: bool,
}

struct Actor {
    log_path: String,
    log: Option<File>,
    name: String,
    taps: Vec<Tap>,
    exits: BTreeMap<i32, (u8, Duration)>,
    counts: BTreeMap<i32, usize>,
    end: Option<(Instant, u8)>,
}

impl Actor {
    fn new(log: &str, name: &str) -> Self {
        let file = (log != "-").then(|| {
            OpenOptions::new().append(true).create(true).open(log).expect("the log opens")
        });
        Self {
            log_path: log.to_owned(),
            log: file,
            name: name.to_owned(),
            taps: Vec::new(),
            exits: BTreeMap::new(),
            counts: BTreeMap::new(),
            end: None,
        }
    }

    fn perform(mut self, words: &[Word<'_>]) -> u8 {
        for word in words {
            self.prepare(word);
        }
        self.say(&format!("started {}", process::id()));
        for word in words {
            if let ControlFlow::Break(code) = self.obey(word) {
                self.say(&format!("ends {code}"));
                return code;
            }
        }
        0
    }

    fn prepare(&mut self, word: &Word<'_>) {
        match word.verb {
            "take" => self.tap(word.value, true),
            "count" => self.tap(word.value, false),
            "exit-on" => {
                let mut parts = word.value.split(':');
                let signal = parts.next().expect("a signal");
                let code = number(parts.next().expect("a code"));
                let delay = millis(parts.next().unwrap_or("0"));
                self.exits.insert(signal_number(signal), (code, delay));
                self.tap(signal, true);
            }
            "block" => {
                let set: SigSet = word.value.split(',').map(standard_signal).collect();
                set.thread_block().expect("signals can be blocked");
            }
            "session" => {
                setsid().expect("a new session");
            }
            "become-root" => {
                let (user, group) = (Uid::from_raw(0), Gid::from_raw(0));
                setresgid(group, group, group).expect("the group root");
                setresuid(user, user, user).expect("the user root");
            }
            "tty" => self.say(match tcgetpgrp(io::stdin()) {
                Ok(group) if group == getpgrp() => "in the foreground",
                Ok(_) => "in the background",
                Err(_) => "without a terminal",
            }),
            _ => {}
        }
    }

    fn obey(&mut self, word: &Word<'_>) -> Flow {
        match word.verb {
            "take" | "count" | "exit-on" | "block" | "session" | "become-root" | "tty" => {}
            "wait" => loop {
                self.rest(None)?;
            },
            "sleep" => self.rest(Some(Instant::now() + millis(word.value)))?,
            "until" => {
                while !Path::new(word.value).exists() {
                    self.rest(Some(Instant::now() + GLANCE))?;
                }
            }
            "exit" => return Flow::Break(number(word.value)),
            "raise" => {
                // A shell has no handlers of its own, and its `kill` knows every number.
                let number = signal_number(word.value);
                let script = format!("ulimit -c 0; kill -{number} $$");
                panic!("{}", Command::new("/bin/sh").args(["-c", &script]).exec());
            }
            "read" => {
                let mut line = String::new();
                let count = io::stdin().read_line(&mut line).expect("stdin can be read");
                let line = if count == 0 { "to the end" } else { line.trim_end() };
                self.say(&format!("read {line}"));
            }
            "stop" => raise(Signal::SIGSTOP).expect("a signal to itself"),
            "send" => raise(standard_signal(word.value)).expect("a signal to itself"),
            "send-parent" => {
                kill(getppid(), standard_signal(word.value)).expect("a signal to the parent");
            }
            "say" => self.say(word.value),
            "print" => println!("{}", word.value),
            // Open as long as the process lives; the kernel takes connections for it.
            "listen" => {
                let port = word.value.parse::<u16>().expect("a port");
                let listener = std::net::TcpListener::bind((std::net::Ipv4Addr::LOCALHOST, port));
                std::mem::forget(listener.expect("a free port"));
            }
            "counts" => {
                let kinds: usize = word.value.parse().expect("a number of kinds");
                while self.counts.len() < kinds {
                    self.rest(Some(Instant::now() + GLANCE))?;
                }
                for (signal, count) in &self.counts {
                    self.say(&format!("counted {} {count}", signal_name(*signal)));
                }
            }
            "child" => drop(self.spawn(word.inner)),
            "thread" => self.spawn_from_a_thread(word.inner),
            "run" => {
                self.spawn(word.inner).wait().expect("the child's status");
            }
            "forward" => return self.forward(signal_number(word.value), word.inner),
            "chain" => {
                let (links, pause) = word.value.split_once(':').expect("chain=LINKS:MS");
                let links: u32 = links.parse().expect("a number of links");
                if links > 0 {
                    self.rest(Some(Instant::now() + millis(pause)))?;
                    let next = format!("chain={}:{pause}", links - 1);
                    let name = self.name.as_str();
                    drop(self.spawn(&[name, "session", "take=TERM", &next].map(str::to_owned)));
                }
                return Flow::Break(0);
            }
            "again" => self.repeat_number_of(word.value),
            "chat" => return self.chat(word.value),
            "eat" => eat(),
            "close" => {
                close(libc::STDOUT_FILENO).expect("stdout is open");
                self.say("closed");
            }
            "fill" => loop {
                println!("{}", "filling ".repeat(12));
            },
            "leak" => self.leak(word.value.parse().expect("a number of descriptors")),
            "bomb" => bomb(),
            "refuse" => refuse(word.value),
            "exec" => {
                let (program, args) = word.inner.split_first().expect("a program");
                panic!("{program}: {}", Command::new(program).args(args).exec());
            }
            other => panic!("no such word: {other}"),
        }
        Flow::Continue(())
    }

    /// One line of the log, in one write.
    fn say(&self, text: &str) {
        if let Some(mut log) = self.log.as_ref() {
            log.write_all(format!("{}: {text}\n", self.name).as_bytes())
                .expect("the log is written");
        }
    }

    fn tap(&mut self, signals: &str, told: bool) {
        let numbers: Vec<i32> = if signals == "all" {
            (1..=64)
                .filter(|number| !matches!(number, 4 | 8 | 9 | 11 | 17 | 19 | 32 | 33))
                .collect()
        } else {
            signals.split(',').map(signal_number).collect()
        };
        // What comes while a handler is half there would be taken, and told nobody.
        let before = SigSet::all().thread_swap_mask(SigmaskHow::SIG_SETMASK);
        let before = before.expect("signals can be blocked");
        for signal in numbers {
            if self.taps.iter().any(|tap| tap.signal == signal) {
                continue;
            }
            let (bytes, writer) = io::pipe().expect("a pipe");
            signal_hook::low_level::pipe::register(signal, writer).expect("a handler");
            self.taps.push(Tap { signal, bytes, told });
        }
        before.thread_set_mask().expect("signals can be unblocked");
    }

    /// Takes signals until this instant, for ever without one; ends when a signal has said so.
    fn rest(&mut self, until: Option<Instant>) -> Flow {
        loop {
            let now = Instant::now();
            if let Some((due, code)) = self.end
                && due <= now
            {
                return Flow::Break(code);
            }
            if until.is_some_and(|until| until <= now) {
                return Flow::Continue(());
            }
            let wake = match (until, self.end) {
                (Some(until), Some((due, _))) => Some(until.min(due)),
                (until, end) => until.or(end.map(|(due, _)| due)),
            };
            self.listen(wake.map(|wake| wake.saturating_duration_since(now)));
        }
    }

    /// Waits for signals at most this long, and takes those that came.
    fn listen(&mut self, limit: Option<Duration>) {
        let timeout = limit.map_or(PollTimeout::NONE, |limit| {
            PollTimeout::try_from(limit.as_millis() + 1).expect("a short time")
        });
        let mut fds: Vec<PollFd<'_>> =
            self.taps.iter().map(|tap| PollFd::new(tap.bytes.as_fd(), PollFlags::POLLIN)).collect();
        if poll(&mut fds, timeout).is_err() {
            return;
        }
        let ready: Vec<usize> = (0..fds.len()).filter(|&at| fds[at].any() == Some(true)).collect();
        for at in ready {
            let mut bytes = [0; 4096];
            let count = self.taps[at].bytes.read(&mut bytes).expect("a signal's bytes");
            let Tap { signal, told, .. } = self.taps[at];
            *self.counts.entry(signal).or_default() += count;
            if told {
                for _ in 0..count {
                    self.say(&format!("got {}", signal_name(signal)));
                }
            }
            if let Some((code, delay)) = self.exits.get(&signal)
                && self.end.is_none()
            {
                self.end = Some((Instant::now() + *delay, *code));
            }
        }
    }

    /// Starts itself again with these words, the first of them the name.
    fn spawn(&self, words: &[String]) -> Child {
        self.again(words).spawn().expect("a child")
    }

    fn again(&self, words: &[String]) -> Command {
        // Not `current_exe`: there may be no `/proc`.
        let mut command = Command::new(env::args_os().next().expect("this program"));
        // It has this group already; but with one to set std forks, and needs no clone3, which old
        // seccomp profiles refuse.
        command.gid(getgid().as_raw());
        command.arg(&self.log_path).args(words);
        command
    }

    /// For the kernel a child belongs to the thread that made it.
    fn spawn_from_a_thread(&self, words: &[String]) {
        let mut command = self.again(words);
        let (started, wait) = mpsc::channel();
        thread::spawn(move || {
            let child = command.spawn().expect("a child");
            started.send(()).expect("the first thread waits");
            drop(child);
            loop {
                thread::park();
            }
        });
        wait.recv().expect("the child was started");
    }

    /// The kernel gives out the number after the last one that is free.
    fn repeat_number_of(&self, name: &str) {
        let log = fs::read_to_string(&self.log_path).expect("the log");
        let started = format!("{name}: started ");
        let number = log.lines().find_map(|line| line.strip_prefix(&started)).expect("it ran");
        let last = number.parse::<u32>().expect("a PID") - 1;
        fs::write("/proc/sys/kernel/ns_last_pid", last.to_string()).expect("the number to come");
    }

    /// Descriptors that nobody closes, and that what is executed later inherits.
    fn leak(&self, count: usize) {
        let mut leaked = 0;
        while leaked < count {
            let Ok(file) = File::open("/dev/null") else { break };
            fcntl(&file, FcntlArg::F_SETFD(FdFlag::empty())).expect("it is open");
            std::mem::forget(file);
            leaked += 1;
        }
        self.say(&format!("leaked {leaked}"));
    }

    /// What `npm start` does: it passes a signal on to its child, and ends as the child did.
    fn forward(&mut self, signal: i32, words: &[String]) -> Flow {
        self.tap(&signal.to_string(), true);
        let mut child = self.spawn(words);
        let pid = Pid::from_raw(child.id().cast_signed());
        let mut passed = 0;
        loop {
            if let Some(status) = child.try_wait().expect("the child's status") {
                return Flow::Break(flattened(status));
            }
            self.rest(Some(Instant::now() + GLANCE))?;
            let came = self.counts.get(&signal).copied().unwrap_or(0);
            for _ in passed..came {
                kill(pid, Signal::try_from(signal).expect("a standard signal")).expect("a child");
            }
            passed = came;
        }
    }
}

/// Copies itself, again and again; every copy does the same. Where no process is to be had it waits for one.
#[allow(unsafe_code)]
fn bomb() -> ! {
    loop {
        // SAFETY: there is one thread alone, so nothing that another one holds is copied.
        if unsafe { fork() }.is_err() {
            // All of them together shall leave some of the machine to others.
            thread::sleep(GLANCE * 5);
        }
    }
}

/// Takes memory without end, and uses it: what is only promised is not charged to anybody.
fn eat() -> ! {
    const PIECE: usize = 1 << 20;
    let mut eaten = Vec::new();
    loop {
        eaten.push(vec![1_u8; PIECE]);
        std::hint::black_box(&eaten);
    }
}

/// What the seccomp profiles of older container engines do with calls that they do not know.
#[allow(unsafe_code)]
fn refuse(calls: &str) {
    let statement = |code: u32, k: u32| {
        let code = u16::try_from(code).expect("a short code");
        libc::sock_filter { code, jt: 0, jf: 0, k }
    };
    let refused = libc::SECCOMP_RET_ERRNO | libc::EPERM.cast_unsigned();
    // The number of the call is the first thing that a filter is given.
    let mut filter = vec![statement(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0)];
    for call in calls.split(',') {
        let number = match call {
            "clone3" => libc::SYS_clone3,
            "close_range" => libc::SYS_close_range,
            "pidfd_open" => libc::SYS_pidfd_open,
            "pidfd_send_signal" => libc::SYS_pidfd_send_signal,
            other => panic!("no number is known for {other}"),
        };
        let number = u32::try_from(number).expect("the number of a system call");
        let equal = statement(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, number);
        filter.push(libc::sock_filter { jf: 1, ..equal });
        filter.push(statement(libc::BPF_RET | libc::BPF_K, refused));
    }
    filter.push(statement(libc::BPF_RET | libc::BPF_K, libc::SECCOMP_RET_ALLOW));
    prctl::set_no_new_privs().expect("no new privileges, so that a filter is allowed");
    let len = u16::try_from(filter.len()).expect("a short filter");
    let program = libc::sock_fprog { len, filter: filter.as_mut_ptr() };
    // SAFETY: the kernel copies the program, which lives until the call is over.
    let result =
        unsafe { libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &raw const program) };
    assert_eq!(result, 0, "the filter is taken: {}", io::Error::last_os_error());
}

fn flattened(status: process::ExitStatus) -> u8 {
    let code = status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or_default());
    u8::try_from(code).expect("an exit code")
}

fn number(text: &str) -> u8 {
    text.parse().expect("an exit code")
}

fn millis(text: &str) -> Duration {
    Duration::from_millis(text.parse().expect("milliseconds"))
}

fn standard_signal(name: &str) -> Signal {
    format!("SIG{}", name.trim_start_matches("SIG")).parse().expect("a standard signal")
}

fn signal_number(name: &str) -> i32 {
    name.parse().unwrap_or_else(|_| standard_signal(name) as i32)
}

fn signal_name(number: i32) -> String {
    match Signal::try_from(number) {
        Ok(signal) => signal.to_string(),
        Err(_) => format!("SIGRTMIN+{}", number - 34),
    }
}
