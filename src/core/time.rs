//! Times as people and programs read them.

use std::time::{Duration, UNIX_EPOCH};

/// A span of time as people read it: `0.4ms`, `310ms`, `1.2s`, `9s`, `1m30s`.
pub fn span(time: Duration) -> String {
    let seconds = time.as_secs_f64();
    if time < Duration::from_millis(10) {
        format!("{:.1}ms", seconds * 1e3)
    } else if time < Duration::from_secs(1) {
        format!("{}ms", time.as_millis())
    } else if time < Duration::from_mins(1) {
        let tenths = time.as_millis() / 100;
        if tenths.is_multiple_of(10) {
            format!("{}s", tenths / 10)
        } else {
            format!("{}.{}s", tenths / 10, tenths % 10)
        }
    } else {
        humantime::format_duration(Duration::from_secs(time.as_secs())).to_string().replace(' ', "")
    }
}

/// A moment, given as the time since 1970: RFC 3339 in UTC, with microseconds.
pub fn timestamp(since_1970: Duration) -> String {
    // Beyond the year 9999 there is no such form.
    let latest = Duration::from_secs(253_402_300_799);
    let moment = UNIX_EPOCH + since_1970.min(latest);
    humantime::format_rfc3339_micros(moment).to_string()
}
