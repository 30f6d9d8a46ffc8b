//! Where members write to: our own standard output and error, or an outlet each that the voice
//! relays.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Weak};

use crate::core::{MemberId, SpawnFailure, SpawnFailureKind, Windows};
use crate::sys::descriptors;
use crate::sys::outlet::{Outlet, Size};
use crate::sys::output::Which;
use crate::sys::privileges::Change;
use crate::voice::Voice;
use crate::voice::format::{Format, Stream};

/// So many descriptors we need besides the members' outputs, and those that a member is started with.
const BESIDES: u64 = 24;

/// What makes outlets.
#[derive(Debug)]
pub(super) struct Outputs {
    /// Who relays; `None` where members have our own.
    voice: Option<Voice>,
    /// Whether the members' standard output is a terminal of its own, and their standard error.
    terminals: [bool; 2],
    /// Our sides of these terminals, as long as they are relayed.
    windows: Vec<(Weak<OwnedFd>, Which)>,
}

impl Outputs {
    /// Members have our own standard output and error, unless the format and the voice let them be
    /// relayed. Where ours is a terminal, members get terminals of their own: behind a pipe most
    /// programs show no colours and keep their lines back.
    pub(super) fn new(voice: &Voice, format: Format, terminals_wanted: bool) -> Self {
        let relayed = format != Format::Raw && voice.relays();
        let terminals = [Which::Stdout, Which::Stderr]
            .map(|which| format == Format::Text && terminals_wanted && which.is_terminal());
        Self { voice: relayed.then(|| voice.clone()), terminals, windows: Vec::new() }
    }

    /// Whether members have terminals of their own.
    pub(super) fn windows(&self) -> Windows {
        let any = self.voice.is_some() && self.terminals.contains(&true);
        if any { Windows::Copied } else { Windows::None }
    }

    /// Whether members' output is relayed.
    pub(super) fn relayed(&self) -> bool {
        self.voice.is_some()
    }

    /// Looks whether there can be outlets for so many members, before anything is started.
    pub(super) fn check(&self, members: usize) -> Result<(), String> {
        let needed = needed(members);
        match descriptors::limit() {
            Ok((soft, _)) if self.relayed() && needed > soft => Err(format!(
                "relaying the output of {members} members takes {needed} descriptors, and the limit \
                 is {soft}: raise it (ulimit -Hn, docker run --ulimit nofile=N), or use --log-format raw"
            )),
            // A limit that cannot be read will show itself.
            Ok(_) | Err(_) => Ok(()),
        }
    }

    /// Has room made for the descriptors of so many members, if their output is to be relayed. To be called while
    /// there is no second thread.
    pub(super) fn make_room(format: Format, members: usize) -> io::Result<()> {
        if format == Format::Raw { Ok(()) } else { descriptors::make_room(needed(members)) }
    }

    /// What a member writes to, if not to our own standard output and error.
    pub(super) fn make(
        &mut self,
        id: MemberId,
        user: Option<&Change>,
    ) -> Result<Option<[OwnedFd; 2]>, SpawnFailure> {
        self.make_one_more(id.index(), id, user)
    }

    /// What somebody writes to in this member's name; `number` is above all members'.
    pub(super) fn make_one_more(
        &mut self,
        number: usize,
        id: MemberId,
        user: Option<&Change>,
    ) -> Result<Option<[OwnedFd; 2]>, SpawnFailure> {
        let Some(voice) = self.voice.clone() else { return Ok(None) };
        let mut outlet = |stream| -> io::Result<OwnedFd> {
            let Outlet { ours, theirs } = self.outlet(stream, user)?;
            let ours = Arc::new(ours);
            if self.terminals[stream as usize] {
                self.windows.push((Arc::downgrade(&ours), which(stream)));
            }
            voice.relay(number, id.index(), stream, ours)?;
            Ok(theirs)
        };
        let made = outlet(Stream::Stdout).and_then(|stdout| Ok([stdout, outlet(Stream::Stderr)?]));
        made.map(Some).map_err(|error| SpawnFailure {
            member: id,
            kind: SpawnFailureKind::Other,
            reason: format!("a way for its output: {error}"),
            hint: Some("With --log-format raw it needs none".to_owned()),
        })
    }

    fn outlet(&mut self, stream: Stream, user: Option<&Change>) -> io::Result<Outlet> {
        let place = stream as usize;
        if self.terminals[place] {
            let made =
                Size::of(which(stream).as_fd()).and_then(|size| Outlet::terminal(size, user));
            match made {
                Ok(outlet) => return Ok(outlet),
                Err(error) => {
                    // Once is enough: it will not be different for the others.
                    self.terminals = [false; 2];
                    tracing::warn!(
                        "members get no terminals for their output: {error}: they may show no \
                         colours, and keep lines back"
                    );
                }
            }
        }
        Outlet::pipe(user)
    }

    /// Gives the members' terminals the size that ours has now. Says whether that is another for
    /// one of them.
    pub(super) fn resize(&mut self) -> bool {
        self.windows.retain(|(window, _)| window.strong_count() > 0);
        let mut changed = false;
        for (window, which) in &self.windows {
            let Some(window) = window.upgrade() else { continue };
            match Size::of(which.as_fd()).and_then(|size| size.copy_to(&*window)) {
                Ok(it_is_new) => changed |= it_is_new,
                Err(error) => tracing::debug!("cannot pass the size of the window on: {error}"),
            }
        }
        changed
    }
}

/// So many descriptors are needed where so many members are relayed.
fn needed(members: usize) -> u64 {
    2 * members as u64 + BESIDES
}

fn which(stream: Stream) -> Which {
    match stream {
        Stream::Stdout => Which::Stdout,
        Stream::Stderr => Which::Stderr,
    }
}
