//! A member's command as people are shown it.

use super::{CommandForm, Member, harmless};

impl Member {
    /// The command as it was written, on one line: words as a shell would take them, or the string
    /// without the shell that runs it.
    pub fn shown_command(&self) -> String {
        let words = || self.argv.iter().map(|word| word.to_string_lossy());
        if self.form == CommandForm::List {
            let quoted: Vec<String> = words().map(|word| quote(&word)).collect();
            return on_one_line(&quoted.join(" "));
        }
        let script = words().next_back().unwrap_or_default().into_owned();
        on_one_line(match self.form {
            CommandForm::Exec => script.strip_prefix("exec ").unwrap_or(&script),
            CommandForm::List | CommandForm::Shell => script.as_str(),
        })
    }

    /// The name of the shell that executes the command; `None` if none does.
    pub fn shell_name(&self) -> Option<String> {
        let program = self.argv.first().filter(|_| self.form != CommandForm::List)?;
        Some(program.to_string_lossy().rsplit('/').next().unwrap_or_default().to_owned())
    }
}

/// A word as a shell would take it.
fn quote(word: &str) -> String {
    let plain = |letter: char| letter.is_alphanumeric() || "@%+=:,./_-^~".contains(letter);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', "'\\''"))
}

/// Nothing that moves the cursor or turns the text; the ends of lines can be seen.
pub fn on_one_line(text: &str) -> String {
    text.trim_end().replace('\n', "\\n").replace('\t', "\\t").chars().map(harmless).collect()
}
