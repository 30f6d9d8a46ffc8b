//! Work that takes as long as a file system likes, beside the supervisor.

use std::sync::mpsc::sync_channel;
use std::thread;
use std::time::Duration;

/// Does this on a thread of its own, and waits for its result no longer than `limit`; then it is left behind, and `None`
/// is the answer. Before that it waits until the thread begins, no longer than `begins`: on a machine that has too much
/// to do it may not have its turn for a while, which is no file system's fault. Where no thread can be started it is
/// done here.
pub fn within<T: Send + 'static>(
    begins: Duration,
    limit: Duration,
    work: impl FnOnce() -> T + Clone + Send + 'static,
) -> Option<T> {
    let (turn, begun) = sync_channel(1);
    let (told, result) = sync_channel(1);
    let beside = work.clone();
    let builder = thread::Builder::new().name("scribe".to_owned()).stack_size(64 * 1024);
    let started = builder.spawn(move || {
        let _ = turn.send(());
        // Nobody may be waiting any more.
        let _ = told.send(beside());
    });
    match started {
        Ok(_) => {
            let _ = begun.recv_timeout(begins);
            result.recv_timeout(limit).ok()
        }
        Err(_) => Some(work()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_takes_too_long_is_left_behind() {
        assert_eq!(within(Duration::ZERO, Duration::from_mins(1), || 7), Some(7));
        let never = || loop {
            thread::park();
        };
        assert_eq!(within::<()>(Duration::from_mins(1), Duration::from_millis(10), never), None);
    }
}
