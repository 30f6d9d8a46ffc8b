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

/// A process that ends takes its connections with it a moment before its end can be seen: a
/// failure waits so long, because the end is the better reason.
const AFTER_A_FAILURE: Duration = Duration::from_millis(20);

/// The port of a check, and of an app, when nobody says another one.
const USUAL_PORT: u16 = 8080;

/// An answer, and to which question.
#[derive(Debug)]
pub(super) struct Answered {
    pub(super) check: Check,
    pub(super) answer: Answer,
    asked: u64,
}

/// The main process's checks.
#[derive(Debug)]
pub(super) struct Probes {
    questions: [Option<Question>; 2],
    under_way: [Option<(u64, AbortHandle)>; 2],
    asked: u64,
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
        (Self { questions, under_way: [None, None], asked: 0, answers }, received)
    }

    /// Asks, and answers later. Called within the event loop.
    pub(super) fn ask(&mut self, check: Check) {
        let Some(question) = self.questions[check as usize].clone() else { return };
        self.asked += 1;
        let (asked, answers) = (self.asked, self.answers.clone());
        let task = tokio::spawn(async move {
            let answer = match question.ask().await {
                Ok(()) => Answer::Passed(None),
                Err(why) => {
                    sleep(AFTER_A_FAILURE).await;
                    Answer::Failed(why)
                }
            };
            // Nobody listens any more when the group is over.
            let _ = answers.send(Answered { check, answer, asked });
        });
        self.under_way[check as usize] = Some((asked, task.abort_handle()));
    }

    /// Whether this is the answer that is waited for.
    pub(super) fn take(&mut self, answered: &Answered) -> bool {
        let place = &mut self.under_way[answered.check as usize];
        let awaited = place.as_ref().is_some_and(|(asked, _)| *asked == answered.asked);
        if awaited {
            *place = None;
        }
        awaited
    }

    /// Forgets what is under way.
    pub(super) fn cancel(&mut self) {
        for (_, task) in self.under_way.iter_mut().filter_map(Option::take) {
            task.abort();
        }
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
    Question { addresses, port, path, limit: check.timeout }
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
    let own = main.env.iter().rev().find(|(name, _)| name == "PORT");
    let port = match own {
        Some((_, value)) => value.as_deref().map(OsStr::new),
        None => inherited.get("PORT"),
    };
    match port.filter(|port| !port.is_empty()) {
        None => Ok(USUAL_PORT),
        Some(port) => port
            .to_str()
            .and_then(|port| port.parse().ok())
            .filter(|port| *port > 0)
            .ok_or_else(|| {
                format!(
                    "the port of {}'s health check is $PORT, which is no port number; set it, or \
                     write `port` in the check",
                    main.name
                )
            }),
    }
}
