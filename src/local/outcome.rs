//! What came of a group, on its way from the copy that ran it.

use std::io::{PipeReader, PipeWriter, Read, Write};
use std::time::Duration;

use serde_json::{Value, json};

use crate::core::{End, Outcome};

/// Tells it. Nobody is left to tell if that fails: the exit code says the rest.
pub(super) fn tell(mut to: PipeWriter, outcome: &Outcome) {
    let running = outcome.running.map(|time| u64::try_from(time.as_millis()).unwrap_or(u64::MAX));
    let value = json!({
        "crashed": outcome.end == End::Crashed,
        "running": running,
        "description": outcome.description,
    });
    let _ = to.write_all(value.to_string().as_bytes());
}

/// What was told, but for the code; `None` if it was killed before.
pub(super) fn read(mut from: PipeReader) -> Option<Outcome> {
    let mut text = String::new();
    from.read_to_string(&mut text).ok()?;
    let value: Value = serde_json::from_str(&text).ok()?;
    Some(Outcome {
        code: 0,
        end: if value["crashed"].as_bool()? { End::Crashed } else { End::Stopped },
        running: value["running"].as_u64().map(Duration::from_millis),
        description: value["description"].as_str().map(str::to_owned),
    })
}

#[cfg(test)]
mod tests {
    use std::io::pipe;

    use super::*;

    #[test]
    fn what_is_told_is_read() {
        for outcome in [
            Outcome::never_begun(0),
            Outcome {
                code: 0,
                end: End::Crashed,
                running: Some(Duration::from_millis(300_001)),
                description: Some("APP/PROC/WEB: \"é\"\n".to_owned()),
            },
        ] {
            let (reader, writer) = pipe().expect("a pipe");
            tell(writer, &outcome);
            assert_eq!(read(reader), Some(outcome));
        }
        let (reader, writer) = pipe().expect("a pipe");
        drop(writer);
        assert_eq!(read(reader), None, "it was killed");
    }
}
