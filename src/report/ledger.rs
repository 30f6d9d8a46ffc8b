//! A group's event list while it grows, for whoever started the group and judges it: a line for each thing
//! that happens, and now and then a whole report.

use serde::{Deserialize, Serialize};

use super::document::Report;
use super::event::Event;

/// One line.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Line {
    /// When the group's clock began, by the machine's monotonic clock, in nanoseconds.
    Zero(u64),
    /// Something happened.
    Event(Event),
    /// All that is known until now.
    Report(Box<Report>),
}

impl Line {
    /// As it is written: JSON, with a newline at its end.
    pub fn text(&self) -> String {
        // Nothing in it can fail to be written: there are no maps but those of JSON.
        serde_json::to_string(self).map(|text| text + "\n").unwrap_or_default()
    }
}

/// Takes the whole lines off these bytes; what cannot be read is none of ours.
pub fn take_lines(bytes: &mut Vec<u8>) -> Vec<Line> {
    let Some(end) = bytes.iter().rposition(|byte| *byte == b'\n') else { return Vec::new() };
    let whole: Vec<u8> = bytes.drain(..=end).collect();
    let lines = whole.split(|byte| *byte == b'\n');
    lines.filter_map(|line| serde_json::from_slice(line).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_lines_are_taken_and_the_rest_waits() {
        let mut bytes =
            [Line::Zero(7).text(), "nonsense\n{\"zero\":8".to_owned()].concat().into_bytes();
        assert_eq!(take_lines(&mut bytes), [Line::Zero(7)]);
        assert_eq!(bytes, b"{\"zero\":8");
        bytes.extend(b"}\n");
        assert_eq!(take_lines(&mut bytes), [Line::Zero(8)]);
        assert!(bytes.is_empty() && take_lines(&mut bytes).is_empty());
    }
}
