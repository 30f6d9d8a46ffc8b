//! The questions that are under way: asked beside the loop, answered to it.

use std::ffi::OsStr;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::AbortHandle;
use tokio::time::sleep;

use super::inherited::Inherited;
use crate::core::{Answer, Check};
use crate::health::Question;
use crate::spec::{CheckKind, HealthCheck, Launch, Member};
use crate::sys::interfaces;

/// A process that ends takes its connections with it a moment before its end can be seen: a
/// failure waits so long, because the end is the better reason.
const AFTER_A_FAILURE: Duration = Duration::from_millis(100);

/// The port of a check, and of an app, when nobody says another one.
pub(super) const USUAL_PORT: u16 = 8080;

/// An answer, and which check's.
pub(super) type Answered = (Check, Answer);

/// The main process's checks. The core asks one question of each at a time.
#[derive(Debug)]
pub(super) struct Probes {
    questions: [Option<Question>; 2],
    /// Whether the platform's place to ask is played: it asks from outside.
    from_outside: [bool; 2],
    under_way: [Option<AbortHandle>; 2],
    answers: UnboundedSender<Answered>,
}

impl Probes {
    /// What is asked where; and where the answers come.
    pub(super) fn new(launch: &Launch) -> (Self, UnboundedReceiver<Answered>) {
        let (answers, received) = unbounded_channel();
        let main = launch.members.first();
        let question = |check: Option<&HealthCheck>| check.map(question);
        let questions = [
            question(main.and_then(|main| main.health_check.as_ref())),
            question(main.and_then(|main| main.readiness_check.as_ref())),
        ];
        let played = |check: Option<&HealthCheck>| {
            launch.platform.is_some() && check.is_some_and(|check| check.host.is_none())
        };
        let from_outside = [
            played(main.and_then(|main| main.health_check.as_ref())),
            played(main.and_then(|main| main.readiness_check.as_ref())),
        ];
        (Self { questions, from_outside, under_way: [None, None], answers }, received)
    }

    /// Asks, and answers later. Called within the event loop.
    pub(super) fn ask(&mut self, check: Check) {
        let Some(mut question) = self.questions[check as usize].clone() else { return };
        let outside = self.from_outside[check as usize].then(|| outside(&mut question));
        let answers = self.answers.clone();
        let task = tokio::spawn(async move {
            let answer = match question.ask().await {
                Ok(passed) => match outside {
                    Some(outside) if passed.address.is_loopback() => {
                        Answer::OddlyPassed(only_here(outside))
                    }
                    _ => Answer::Passed,
                },
                Err(why) => {
                    sleep(AFTER_A_FAILURE).await;
                    Answer::Failed(why)
                }
            };
            // Nobody listens any more when the group is over.
            let _ = answers.send((check, answer));
        });
        self.under_way[check as usize] = Some(task.abort_handle());
    }

    /// Forgets what is under way.
    pub(super) fn cancel(&mut self) {
        for task in self.under_way.iter_mut().filter_map(Option::take) {
            task.abort();
        }
    }
}

/// Where the platform asks: the first address that is not loopback's. Asked first; 127.0.0.1 where
/// that refuses, or where there is none.
fn outside(question: &mut Question) -> Option<Ipv4Addr> {
    let address = interfaces::first_address().unwrap_or_else(|error| {
        tracing::debug!("cannot list the network interfaces: {error}");
        None
    });
    let addresses = address.into_iter().chain([Ipv4Addr::LOCALHOST]);
    question.addresses = addresses.map(IpAddr::V4).collect();
    question.agent = "diego-healthcheck";
    address
}

/// What Cloud Foundry would say to an app that answers on loopback alone.
fn only_here(outside: Option<Ipv4Addr>) -> String {
    match outside {
        Some(address) => format!(
            "Cloud Foundry would call it unhealthy: it answers on 127.0.0.1 and not on {address}; let it \
             listen on 0.0.0.0"
        ),
        None => "Cloud Foundry would call it unhealthy: failure to find suitable interface; only loopback \
                 is there"
            .to_owned(),
    }
}

fn question(check: &HealthCheck) -> Question {
    let addresses = match check.host {
        Some(host) => vec![host],
        None => vec![IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)],
    };
    let path = match &check.kind {
        CheckKind::Port => None,
        CheckKind::Http(path) => Some(path.clone()),
    };
    let port = check.port.unwrap_or(USUAL_PORT);
    Question { addresses, port, path, limit: check.timeout, agent: "fateshare-healthcheck" }
}

/// Fills in the ports that are `$PORT`'s of the main process. The error names a `$PORT` that is
/// none.
pub(super) fn fill_in_ports(launch: &mut Launch, inherited: &Inherited) -> Result<(), String> {
    let Some(main) = launch.members.first_mut() else { return Ok(()) };
    let port = port_of(main, inherited);
    for check in [&mut main.health_check, &mut main.readiness_check].into_iter().flatten() {
        if check.port.is_none() {
            check.port = Some(port.clone()?);
        }
    }
    Ok(())
}

fn port_of(main: &Member, inherited: &Inherited) -> Result<u16, String> {
    let port = inherited.seen_by(main, "PORT");
    match port.filter(|port| !port.is_empty()) {
        None => Ok(USUAL_PORT),
        Some(port) => port_number(port).ok_or_else(|| {
            format!(
                "the port of {}'s health check is $PORT, which is no port number; set it, or \
                     write `port` in the check",
                main.name
            )
        }),
    }
}

/// The port that a variable holds, if it is one.
pub(super) fn port_number(text: &OsStr) -> Option<u16> {
    text.to_str()?.parse().ok().filter(|port| *port > 0)
}
