//! The exit code: a function of the verdict, the spec and, for a stop request only, main's end.

use super::event::SpawnFailureKind;
use super::ids::{MemberId, Status};
use super::verdict::Cause;
use crate::spec::{ExitCodes, Signal};

/// Our own failure, usage errors included.
pub const OWN_FAILURE: u8 = 125;
/// A command exists and cannot be executed.
pub const NOT_EXECUTABLE: u8 = 126;
/// A command does not exist.
pub const NOT_FOUND: u8 = 127;

/// What became of the main process, for the code of a stop request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MainEnd {
    /// It had not been started.
    NotStarted,
    /// It ended so.
    Ended(Status),
    /// Even SIGKILL did not end it in time.
    Unkillable,
}

/// The exit code of the whole group; `main_stop` is main's stop signal under this verdict.
pub fn exit_code(codes: ExitCodes, cause: &Cause, main: MainEnd, main_stop: Signal) -> u8 {
    match cause {
        Cause::MemberEnded(end) => match (end.member, end.status) {
            (MemberId::MAIN, Status::SUCCESS) => codes.main_success,
            (_, Status::SUCCESS) => codes.sidecar_success,
            (_, status) => status.code(),
        },
        Cause::StopRequest(request) => match main {
            MainEnd::NotStarted => request.signal.shell_code(),
            MainEnd::Unkillable => Signal::KILL.shell_code(),
            MainEnd::Ended(status) => {
                let code = status.code();
                let orderly = code == 0 || code == main_stop.shell_code();
                codes.stopped.filter(|_| orderly).unwrap_or(code)
            }
        },
        Cause::CannotStart(failures) => match failures.first().map(|failure| failure.kind) {
            Some(SpawnFailureKind::NotFound) => NOT_FOUND,
            Some(SpawnFailureKind::NotExecutable) => NOT_EXECUTABLE,
            Some(SpawnFailureKind::Other) | None => OWN_FAILURE,
        },
        Cause::Unhealthy(_) => codes.unhealthy,
        // As if main had: the platform takes it for a crash.
        Cause::ProfileExited(0) => codes.main_success,
        Cause::ProfileExited(code) => *code,
        Cause::OwnFailure(_) => OWN_FAILURE,
    }
}
