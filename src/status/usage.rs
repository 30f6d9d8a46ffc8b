//! What members use: their leaders with everything below them, from `/proc`.

use std::time::Duration;

use tokio::task::yield_now;

use super::Board;
use crate::core::{MemberId, Pid};
use crate::sys::descendants::{children_of, threads, ticks};
use crate::sys::{memory, procfs};

/// So many processes and threads are looked at before others have their turn: less than half a
/// millisecond.
const AT_ONCE: usize = 8;

/// So many of a member are looked at; who has more is told what these use.
const MOST: usize = 4_096;

/// What a member uses just now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Usage {
    pub(super) member: MemberId,
    /// Processor time in all its life.
    pub(super) cpu: Duration,
    /// Its memory that is there; what is shared is counted for each process.
    pub(super) resident: u64,
    pub(super) processes: usize,
}

/// Looks at all that live. Nothing where `/proc` shows nothing.
pub(super) async fn look(board: &Board) -> Vec<Usage> {
    let page = memory::page_size() as u64;
    let mut all = Vec::new();
    for (member, leader) in board.leaders() {
        let mut usage = Usage { member, ..Usage::default() };
        let mut looked = 0;
        let mut open = vec![leader];
        while let Some(pid) = open.pop()
            && looked < MOST
        {
            looked += 1;
            let Some((cpu, pages)) = of_one(pid) else { continue };
            usage.cpu += cpu;
            usage.resident += pages * page;
            usage.processes += 1;
            // Children are known by thread.
            for thread in threads(pid).take(MOST - looked.min(MOST)) {
                looked += 1;
                open.extend(children_of(&thread).unwrap_or_default());
                if looked.is_multiple_of(AT_ONCE) {
                    yield_now().await;
                }
            }
        }
        if usage.processes > 0 {
            // What is reaped by nobody who waits takes its time along.
            let mut state = board.lock();
            let most = state.cpu.entry(member.index()).or_default();
            *most = usage.cpu.max(*most);
            usage.cpu = *most;
            all.push(usage);
        }
    }
    all
}

fn of_one(pid: Pid) -> Option<(Duration, u64)> {
    let stat = procfs::stat(pid).ok().flatten()?;
    Some((ticks(stat.cpu_ticks), stat.resident_pages))
}
