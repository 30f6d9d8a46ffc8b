//! What others see of the group: the socket, the address for probes, the report, the termination
//! message, and the picture on a terminal.

use std::env;
use std::ffi::OsStr;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, anyhow};

use super::inherited::Inherited;
use crate::core::{Happening, Moment};
use crate::health::is_missing;
use crate::report::Entry;
use crate::report::document::{Environment, LogRow};
use crate::report::event::Event;
use crate::report::ledger::Line;
use crate::report::timeline::{Letters, Look, picture};
use crate::spec::Launch;
use crate::status::server::Server;
use crate::status::{Board, Counted};
use crate::sys::cgroup::Memory;
use crate::sys::ledger::Ledger;
use crate::sys::outlet::Size;
use crate::sys::output::Which;
use crate::sys::process::{self, Role};
use crate::sys::status_socket::{LONGEST_PATH, Place, Socket, Taken};
use crate::sys::{clock, descriptors, files};
use crate::voice::format::{Format, Stream};
use crate::voice::{self, Voice};

/// Where a group is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SocketChoice {
    /// Where the first place can be had.
    Anywhere,
    /// Here and nowhere else.
    Named(PathBuf),
    /// Here, or beside it, or elsewhere: a member of another group inherits that one's.
    Inherited(PathBuf),
    /// Nowhere.
    None,
}

/// Where the termination message goes, if that is a regular file which is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TerminationLog {
    /// Where Kubernetes has it.
    Usual,
    /// Here.
    Named(PathBuf),
    /// Nowhere.
    None,
}

/// What is wanted of all this.
#[derive(Clone, Debug)]
pub struct Outside {
    /// The Unix socket.
    pub socket: SocketChoice,
    /// The address for probes and metrics.
    pub listen: Option<SocketAddr>,
    /// The report's file.
    pub report: Option<PathBuf>,
    /// The termination message's file.
    pub termination_log: TerminationLog,
    /// The members' commands, as people are shown them.
    pub commands: Vec<String>,
    /// Where whoever started the group reads what happens.
    pub ledger: Option<Ledger>,
}

/// What members find the socket by.
const VARIABLE: &str = "FATESHARE_SOCKET";

/// Where Kubernetes reads what a container says of its end.
const USUAL_TERMINATION_LOG: &str = "/dev/termination-log";

/// So long it is waited until a report is written: SIGKILL waits behind the provisional one, and we have to
/// be gone 900 ms after the deadline.
const PATIENCE: Duration = Duration::from_millis(100);
/// Before that so long until the thread that writes it begins. Never before SIGKILL: the time to die runs already.
const TURN: Duration = Duration::from_millis(400);
/// The same as the patience once that was not enough.
const GLANCE: Duration = Duration::from_millis(10);

/// A crash is drawn in no more rows than this.
const MOST_ROWS: usize = 24;
/// Where a terminal does not say how wide it is.
const USUAL_WIDTH: usize = 80;

/// Opens the doors before anything is started; members are told where. What was named and cannot be had
/// is an error, anything else a warning.
pub(super) fn open(outside: &Outside, inherited: &mut Inherited, board: &Board) -> Result<Server> {
    let probes = outside.listen.map(listen).transpose()?;
    let runtime_dir = inherited.get("XDG_RUNTIME_DIR").map(PathBuf::from);
    let socket = socket(&outside.socket, runtime_dir.as_deref())?;
    let place = socket.as_ref().map(|socket| socket.place.to_string());
    inherited.set(VARIABLE, place.as_deref().map(OsStr::new));
    if let Some(place) = place {
        tracing::debug!("can be asked at {place}");
    }
    if let Some(report) = &outside.report {
        let folder = report.parent().filter(|it| !it.as_os_str().is_empty());
        if let Some(folder) = folder.filter(|folder| !folder.is_dir()) {
            return Err(anyhow!("--report: {} is no directory", folder.display()));
        }
        not_own_output("--report", report)?;
        if report.is_dir() {
            return Err(anyhow!("--report: {} is a directory: name a file", report.display()));
        }
    }
    if let TerminationLog::Named(path) = &outside.termination_log {
        not_own_output("--termination-log", path)?;
        if !path.is_file() {
            tracing::warn!(
                "--termination-log: {} is no regular file which is there; nothing is written unless it is one \
                 at the end",
                path.display()
            );
        }
    }
    Ok(Server::new(board.clone(), socket, probes, spare_descriptors(board.launch().members.len())))
}

fn socket(choice: &SocketChoice, runtime_dir: Option<&Path>) -> Result<Option<Socket>> {
    let (path, from) = match choice {
        SocketChoice::None => return Ok(None),
        SocketChoice::Anywhere => {
            return Ok(anywhere(runtime_dir));
        }
        SocketChoice::Named(path) => (path, "--socket"),
        SocketChoice::Inherited(path) => (path, "$FATESHARE_SOCKET"),
    };
    let mut place = Place::parse(path);
    if let Place::File(path) = &mut place
        && let Ok(absolute) = std::path::absolute(&path)
    {
        // Members may run elsewhere.
        *path = absolute;
    }
    if let Place::File(path) = &place
        && path.as_os_str().len() > LONGEST_PATH
    {
        let shown = path.display();
        return Err(anyhow!(
            "{from}: a socket's path has no more than {LONGEST_PATH} bytes: {shown}"
        ));
    }
    let taken = match Socket::at(&place) {
        Ok(socket) => return Ok(Some(socket)),
        Err(taken) => taken,
    };
    if let SocketChoice::Inherited(_) = choice {
        // It is another group's, and maybe another user's: that one has told its members of it.
        let beside = match &place {
            Place::File(path) => Socket::beside(path).ok(),
            Place::Abstract(_) => None,
        };
        return Ok(beside.or_else(|| anywhere(runtime_dir)));
    }
    match taken {
        Taken::Live => Err(anyhow!("{from}: somebody listens at {place}: name another socket")),
        Taken::Error(error) => {
            Err(error).with_context(|| format!("{from}: cannot listen at {place}"))
        }
    }
}

/// The first place that can be had; without one a warning.
fn anywhere(runtime_dir: Option<&Path>) -> Option<Socket> {
    let socket = Socket::anywhere(runtime_dir);
    let socket = socket.inspect_err(|error| {
        tracing::warn!("no socket can be made, so nobody can ask for the status: {error}");
    });
    socket.ok()
}

/// A path must not be one of our own descriptors: what is written there anew would take the place of the
/// members' output.
fn not_own_output(option: &str, path: &Path) -> Result<()> {
    let named =
        ["/dev/stdin", "/dev/stdout", "/dev/stderr"].iter().any(|name| path == Path::new(name));
    let within = ["/dev/fd", "/proc/self/fd", "/proc/thread-self/fd"];
    if named || within.iter().any(|dir| path.starts_with(dir)) {
        let shown = path.display();
        return Err(anyhow!("{option}: {shown} is what members write to: name a file of its own"));
    }
    Ok(())
}

/// So many descriptors nobody needs but those who ask.
fn spare_descriptors(members: usize) -> u64 {
    /// Ours, those of a start and of a walk, and two outputs for each member.
    const OURS: u64 = 48;
    let needed = OURS + 2 * members as u64;
    // A limit that cannot be read is the usual one.
    let (soft, _) = descriptors::limit().unwrap_or((1024, 1024));
    soft.saturating_sub(needed)
}

/// IPv6's "any address" takes IPv4 connections too; where there is no IPv6 it means IPv4's.
fn listen(address: SocketAddr) -> Result<TcpListener> {
    let any_v6 = address.ip() == IpAddr::V6(Ipv6Addr::UNSPECIFIED);
    let any_v4 = SocketAddr::from((Ipv4Addr::UNSPECIFIED, address.port()));
    let listener = match TcpListener::bind(address) {
        Err(error) if any_v6 && is_missing(&error) => TcpListener::bind(any_v4),
        bound => bound,
    };
    let listener = listener.with_context(|| format!("--listen: cannot listen at {address}"))?;
    listener.set_nonblocking(true).context("--listen: cannot listen without waiting")?;
    if let Ok(address) = listener.local_addr() {
        tracing::info!("probes and metrics at http://{address}");
    }
    Ok(listener)
}

/// What the voice counts, by the members' names.
pub(super) fn counted(
    voice: &Voice,
    launch: &Launch,
    format: Format,
) -> impl Fn() -> Counted + Send + Sync + 'static {
    let voice = voice.clone();
    // What is not relayed is not counted.
    let relayed = launch.members.iter().filter(|_| format != Format::Raw);
    let names: Vec<String> = relayed.map(|member| member.name.clone()).collect();
    move || {
        let mut rows = Vec::new();
        for (name, counts) in names.iter().zip(voice.counts()) {
            for (stream, counts) in Stream::BOTH.iter().zip(counts) {
                rows.push(LogRow {
                    member: name.clone(),
                    stream: stream.name().to_owned(),
                    lines: counts.lines,
                    bytes: counts.bytes,
                    splits: counts.splits,
                    lost_lines: counts.dropped_lines,
                    lost_bytes: counts.dropped_bytes,
                    held_up_ms: u64::try_from(counts.held_up.as_millis()).unwrap_or(u64::MAX),
                });
            }
        }
        (rows, voice.dropped())
    }
}

/// Writes what is left of the group.
#[derive(Debug)]
pub(super) struct Recorder {
    report: Option<PathBuf>,
    termination_log: Option<PathBuf>,
    picture: bool,
    environment: Environment,
    board: Board,
    ledger: Option<Ledger>,
    /// What was counted when the report was written.
    counted: Option<Counted>,
    patience: Duration,
    /// How often it was written.
    number: Arc<AtomicU32>,
}

impl Recorder {
    pub(super) fn new(
        outside: &Outside,
        board: &Board,
        (role, format, memory): (Role, Format, Option<&Memory>),
    ) -> Self {
        let wanted = outside.report.is_some();
        let environment = Environment {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            pid: process::own_pid().0,
            role: if role == Role::Init { "init" } else { "subreaper" }.to_owned(),
            uid: process::effective_user(),
            kernel: wanted.then(|| files::told_by_kernel("osrelease")).flatten(),
            host: wanted.then(|| files::told_by_kernel("hostname")).flatten(),
            log_format: match format {
                Format::Raw => "raw",
                Format::Text => "text",
                Format::Json => "json",
                Format::CloudFoundry => "cf",
            }
            .to_owned(),
            memory_limit_bytes: memory.filter(|_| wanted).and_then(Memory::limit),
        };
        if let Some(ledger) = &outside.ledger {
            let zero = u64::try_from(board.zero().as_nanos()).unwrap_or(u64::MAX);
            put_down(ledger, &Line::Zero(zero));
        }
        let plain = matches!(format, Format::Raw | Format::Text);
        Self {
            report: outside.report.clone(),
            termination_log: match &outside.termination_log {
                // Kubernetes has put it there before we begin; elsewhere there is nothing to write.
                TerminationLog::Usual => Some(PathBuf::from(USUAL_TERMINATION_LOG))
                    .filter(|path| files::may_be_file(path)),
                TerminationLog::Named(path) => Some(path.clone()),
                TerminationLog::None => None,
            },
            picture: plain && Which::Stderr.is_terminal(),
            environment,
            board: board.clone(),
            ledger: outside.ledger.clone(),
            counted: None,
            patience: PATIENCE,
            number: Arc::default(),
        }
    }

    /// This happens; the board does not have it yet.
    pub(super) fn happens(&self, at: Moment, happening: &Happening) {
        if let Some(ledger) = &self.ledger {
            let (since_1970, happening) = (clock::since_1970(), happening.clone());
            let entry = Entry { seq: 0, at, since_1970, happening };
            put_down(ledger, &Line::Event(Event::new(self.board.launch(), &entry)));
        }
    }

    /// Whoever reads the ledger has all that is known.
    pub(super) fn tell_all(&self) {
        if let Some(ledger) = &self.ledger {
            let report = self.board.report(&self.environment);
            put_down(ledger, &Line::Report(Box::new(report)));
        }
    }

    /// Everything left is about to get SIGKILL, and we may go with it.
    pub(super) fn before_sigkill(&mut self) {
        self.write(Duration::ZERO);
    }

    /// The group is over.
    pub(super) fn over(&mut self) {
        self.write(TURN);
    }

    /// Everything was written that could be: what was lost only then belongs into the report too.
    pub(super) fn flushed(&mut self) {
        if self.report.is_some() && self.counted.as_ref() != Some(&self.board.counted()) {
            self.write(Duration::ZERO);
        }
    }

    /// The group as a picture, for a terminal.
    pub(super) fn picture(&self) -> Option<String> {
        if !self.picture {
            return None;
        }
        let look = timeline_look(Which::Stderr, MOST_ROWS);
        Some(picture(&self.board.report(&self.environment), look))
    }

    fn write(&mut self, turn: Duration) {
        let (report, message) = (self.report.clone(), self.termination_log.clone());
        if report.is_none() && message.is_none() {
            return;
        }
        self.counted = Some(self.board.counted());
        let report = report.map(|path| (path, self.board.report(&self.environment).text()));
        let message = message.map(|path| (path, self.board.termination_message()));
        let number = self.number.fetch_add(1, Ordering::SeqCst) + 1;
        let latest = Arc::clone(&self.number);
        let work = move || {
            // What was left behind because it took too long must not come after what was said later.
            let wanted = || latest.load(Ordering::SeqCst) == number;
            let mut failures = Vec::new();
            // The shorter one first: who reads it may have nothing else.
            if let Some((path, text)) = &message
                && wanted()
                && let Err(error) = files::overwrite(path, text.as_bytes())
            {
                failures.push(format!("the termination message to {}: {error}", path.display()));
            }
            if let Some((path, text)) = &report
                && let Err(error) = files::replace(path, text.as_bytes(), &wanted)
            {
                failures.push(format!("the report to {}: {error}", path.display()));
            }
            failures
        };
        let Some(failures) = voice::within(turn, self.patience, work) else {
            self.patience = GLANCE;
            tracing::warn!("cannot write the report: it takes longer than there is time for");
            return;
        };
        for failure in failures {
            tracing::warn!("cannot write {failure}");
        }
    }
}

/// Nobody is left to tell if it fails: whoever reads it sees that lines are missing.
fn put_down(ledger: &Ledger, line: &Line) {
    let _ = ledger.add(line.text().as_bytes());
}

/// How a timeline is drawn there.
pub fn timeline_look(which: Which, most_rows: usize) -> Look {
    let width = Size::of(which.as_fd()).map(Size::columns).ok().filter(|columns| *columns > 0);
    Look { width: width.unwrap_or(USUAL_WIDTH), letters: letters(Letters::Ascii), most_rows }
}

/// What the terminal shows, by the locale; where none is set, as in most containers, this.
pub fn letters(unset: Letters) -> Letters {
    let set = |name: &&str| env::var_os(name).is_some_and(|value| !value.is_empty());
    let Some(name) = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().find(set) else { return unset };
    let locale = env::var_os(name).unwrap_or_default().to_string_lossy().to_ascii_lowercase();
    let is_utf8 = locale.contains("utf-8") || locale.contains("utf8");
    if is_utf8 { Letters::Unicode } else { Letters::Ascii }
}
