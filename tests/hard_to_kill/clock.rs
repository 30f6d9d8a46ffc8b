//! A clock that jumps for one group alone: the machine's own is everybody's, and time namespaces have none for the
//! time of day. A library that is loaded before the C library adds what a file says.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::Command;
use std::time::UNIX_EPOCH;

use crate::support::find_program;

/// Only the time of day jumps: nobody can set the other clocks.
const SOURCE: &str = r#"
#define _GNU_SOURCE
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static const volatile long long *offset;

__attribute__((constructor)) static void begin(void) {
    int file = open("clock", O_RDONLY | O_CLOEXEC);
    if (file < 0) return;
    void *place = mmap(0, sizeof *offset, PROT_READ, MAP_SHARED, file, 0);
    if (place != MAP_FAILED) offset = place;
    close(file);
}

int clock_gettime(clockid_t clock, struct timespec *now) {
    int result = (int)syscall(SYS_clock_gettime, clock, now);
    if (result == 0 && offset && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE))
        now->tv_sec += *offset;
    return result;
}
"#;

/// Starts a group with it.
pub(crate) const SCRIPT: &str = "exec env LD_PRELOAD=\"$PWD/clock.so\" \"$@\"";

/// Whether there can be one; otherwise why not.
pub(crate) fn can_be_made() -> Result<(), &'static str> {
    find_program("cc").map(drop).ok_or("a clock that jumps takes a C compiler, cc")
}

/// Puts it into the folder of a test. It goes right.
pub(crate) fn install(folder: &Path) {
    fs::write(folder.join("clock.c"), SOURCE).expect("its source");
    set(folder, 0);
    let made = Command::new("cc")
        .args(["-shared", "-fPIC", "-o", "clock.so", "clock.c"])
        .current_dir(folder)
        .status();
    assert!(made.expect("a C compiler").success(), "the clock is made");
}

/// From now on it is so many seconds before the others.
pub(crate) fn set(folder: &Path, seconds: i64) {
    let file = File::options().create(true).write(true).truncate(false).open(folder.join("clock"));
    let file = file.expect("what it says");
    file.write_all_at(&seconds.to_ne_bytes(), 0).expect("it is set");
}

/// What puts it back to the first minutes of 1970, as a machine starts that has no clock of its own.
pub(crate) fn to_1970() -> i64 {
    let now = UNIX_EPOCH.elapsed().expect("a time after 1970").as_secs();
    100 - i64::try_from(now).expect("a number of seconds")
}
