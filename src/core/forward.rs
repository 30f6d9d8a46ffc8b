//! Which signals of fateshare go on to the main process.

use super::event::{Received, Sender};
use crate::spec::Signal;

/// The signals that go on to main's leader while the group runs, unless they are a stop request.
pub fn forwarded(signal: Signal) -> bool {
    signal.is_real_time()
        || matches!(
            signal,
            Signal::TERM
                | Signal::INT
                | Signal::QUIT
                | Signal::HUP
                | Signal::USR1
                | Signal::USR2
                | Signal::WINCH
                | Signal::CONT
                | Signal::ALRM
                | Signal::VTALRM
                | Signal::PROF
                | Signal::IO
                | Signal::PWR
                | Signal::URG
        )
}

/// Every signal that the shell has to catch, ascending: stop requests, what is forwarded, SIGCHLD,
/// and SIGTSTP, with which Ctrl-Z stops the whole group.
pub fn wanted(stop_on: &[Signal]) -> Vec<Signal> {
    let always = [Signal::CHLD, Signal::TSTP];
    (1..=64)
        .filter_map(Signal::from_number)
        .filter(|it| always.contains(it) || forwarded(*it) || stop_on.contains(it))
        .collect()
}

/// Whether somebody who sends this wants no group any more, whatever the spec makes of it: a stop
/// request, Ctrl-C on the terminal, or the terminal's end.
pub fn asks_for_an_end(stop_on: &[Signal], signal: Signal, sender: &Sender) -> bool {
    let by_terminal = *sender == Sender::Terminal;
    stop_on.contains(&signal) || (by_terminal && [Signal::INT, Signal::HUP].contains(&signal))
}

/// Whether this signal asks the group to stop. A hang-up of the terminal always does: nobody is
/// left who could stop it otherwise.
pub(super) fn is_stop_request(stop_on: &[Signal], received: &Received) -> bool {
    stop_on.contains(&received.signal)
        || (received.signal == Signal::HUP && received.sender == Sender::Terminal)
}
