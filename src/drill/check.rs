//! What the main process's health check can see of a frozen one.

use std::time::Duration;

use crate::spec::{CheckKind, HealthCheck, Launch};

/// A frozen main is to be noticed by then.
const QUICK: Duration = Duration::from_secs(1);

/// What main is asked, if it is asked anything.
pub(super) fn of_main(launch: &Launch) -> Option<&HealthCheck> {
    launch.members.first()?.health_check.as_ref()
}

/// A check whose interval is longer would need as long to notice that main is frozen.
pub(super) fn ask_quickly(launch: &mut Launch) {
    if let Some(check) = launch.members.first_mut().and_then(|main| main.health_check.as_mut()) {
        check.interval = check.interval.min(QUICK);
    }
}

/// Whether that changes anything.
pub(super) fn is_asked_slowly(launch: &Launch) -> bool {
    of_main(launch).is_some_and(|check| check.interval > QUICK)
}

/// How long a frozen main can go unnoticed by its check; `None` if nobody asks it.
pub(super) fn notice(launch: &Launch) -> Option<Duration> {
    let check = of_main(launch)?;
    Some(check.interval.min(QUICK) + check.timeout + QUICK)
}

/// Whether main is asked over HTTP, which only a program that runs can answer.
pub(super) fn asks_over_http(launch: &Launch) -> bool {
    of_main(launch).is_some_and(|check| matches!(check.kind, CheckKind::Http(_)))
}
