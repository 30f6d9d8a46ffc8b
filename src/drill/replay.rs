//! The command that makes a strike again: the one that was given, without what chooses strikes and looks.

use super::quoted;

/// Options of a drill that stand for one choice or look, and have a value.
const WITH_VALUE: [&str; 5] = ["--member", "--strike", "--junit", "--html", "--baseline"];

/// The words up to `--`, and those from there on, as a shell reads them. What comes in are the arguments
/// behind `fateshare drill`.
pub fn replay(arguments: &[String]) -> (Vec<String>, Vec<String>) {
    let end = arguments.iter().position(|it| it == "--").unwrap_or(arguments.len());
    let mut words = vec!["fateshare".to_owned(), "drill".to_owned()];
    let mut rest = arguments[..end].iter();
    while let Some(word) = rest.next() {
        let name = word.split('=').next().unwrap_or_default();
        if name == "--json" {
            continue;
        }
        if WITH_VALUE.contains(&name) {
            if !word.contains('=') {
                rest.next();
            }
            continue;
        }
        // What stands there may be a password.
        if word == "--var" {
            words.push(quoted(word));
            words.extend(rest.next().map(|it| quoted(&masked(it))));
        } else if let Some(variable) = word.strip_prefix("--var=") {
            words.push(quoted(&format!("--var={}", masked(variable))));
        } else {
            words.push(quoted(word));
        }
    }
    (words, arguments[end..].iter().map(|word| quoted(word)).collect())
}

fn masked(variable: &str) -> String {
    let name = variable.split('=').next().unwrap_or_default();
    format!("{name}=...")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_chooses_strikes_and_looks_is_left_out() {
        let given = "a.yml --member web --strike=kill --json --html=x.html --junit y.xml --app 'my shop' \
                     --var pw=secret --var=other=secret --within 5s -- ./web --member=3";
        let mut words: Vec<String> = given.split(' ').map(str::to_owned).collect();
        let at = words.iter().position(|it| it == "'my").expect("it is there");
        words.splice(at..at + 2, ["my shop".to_owned()]);
        let (command, tail) = replay(&words);
        assert_eq!(
            command.join(" "),
            "fateshare drill a.yml --app 'my shop' --var pw=... --var=other=... --within 5s"
        );
        assert_eq!(tail.join(" "), "-- ./web --member=3");
    }
}
