//! Runs jobs on a few threads, and tells of every one that failed.

use std::any::Any;
use std::panic::{self, AssertUnwindSafe};
use std::sync::{Mutex, PoisonError};
use std::thread;

/// Something to do, with a name for the message when it panics.
pub(crate) struct Job<'a> {
    name: String,
    work: Box<dyn FnOnce() + Send + 'a>,
}

impl<'a> Job<'a> {
    pub(crate) fn new(name: impl Into<String>, work: impl FnOnce() + Send + 'a) -> Self {
        Self { name: name.into(), work: Box::new(work) }
    }
}

/// Does all jobs in their order; returns why some failed.
pub(crate) fn run(jobs: Vec<Job<'_>>, threads: usize) -> Vec<String> {
    let jobs = Mutex::new(jobs.into_iter());
    let failures = Mutex::new(Vec::new());
    let next = || jobs.lock().unwrap_or_else(PoisonError::into_inner).next();
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some(Job { name, work }) = next() {
                    if let Err(panic) = panic::catch_unwind(AssertUnwindSafe(work)) {
                        let failure = format!("{name}\n{}", message(panic.as_ref()));
                        failures.lock().unwrap_or_else(PoisonError::into_inner).push(failure);
                    }
                }
            });
        }
    });
    failures.into_inner().unwrap_or_else(PoisonError::into_inner)
}

/// What a panic said.
pub(crate) fn message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("it panicked")
}
