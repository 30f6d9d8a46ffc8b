//! The environment that members inherit: ours, without what is for us alone or for main alone.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use crate::spec::Member;
use crate::sys::users::Account;
use crate::sys::{descriptors, process};

/// Variables that are for fateshare alone: members inherit none of them.
const OWN_VARIABLES: [&str; 7] = [
    "FATESHARE_SPEC",
    "FATESHARE_LOG",
    "FATESHARE_LOG_FORMAT",
    "FATESHARE_GRACE_PERIOD",
    "FATESHARE_LISTEN",
    "FATESHARE_REPORT",
    "FATESHARE_TERMINATION_LOG",
];

/// What a service manager tells the one process that it has started; in a group that is main.
const FOR_MAIN: [&str; 7] = [
    LISTEN_PID,
    LISTEN_FDS,
    "LISTEN_FDNAMES",
    "LISTEN_PIDFDID",
    "NOTIFY_SOCKET",
    "WATCHDOG_USEC",
    WATCHDOG_PID,
];
const LISTEN_PID: &str = "LISTEN_PID";
const LISTEN_FDS: &str = "LISTEN_FDS";
const WATCHDOG_PID: &str = "WATCHDOG_PID";

/// Changes to an environment, in order; the last of equal names counts. `None` unsets.
pub(super) type Changes = Vec<(String, Option<String>)>;

/// One `NAME=value`, with the length of its name.
#[derive(Debug)]
struct Pair {
    length: usize,
    text: Vec<u8>,
}

impl Pair {
    fn name(&self) -> &[u8] {
        &self.text[..self.length]
    }

    fn value(&self) -> &OsStr {
        OsStr::from_bytes(&self.text[self.length + 1..])
    }

    fn is_one_of(&self, names: &[&str]) -> bool {
        names.iter().any(|name| name.as_bytes() == self.name())
    }
}

/// Who gets an environment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Heir {
    Main,
    Sidecar,
}

/// The environment that members inherit.
#[derive(Debug)]
pub(super) struct Inherited {
    pairs: Vec<Pair>,
    /// How many descriptors were passed to us for main.
    pub(super) sockets: i32,
    /// The variables that hold our own process number and are to hold main's.
    renumbered: Vec<&'static str>,
}

impl Inherited {
    /// Ours, without what is for ourselves alone.
    pub(super) fn read() -> Self {
        Self::from_pairs(std::env::vars_os())
    }

    fn from_pairs(variables: impl Iterator<Item = (OsString, OsString)>) -> Self {
        let pairs =
            variables.map(|(name, value)| Pair { length: name.len(), text: pair(&name, &value) });
        let mut inherited = Self {
            pairs: pairs.filter(|pair| !pair.is_one_of(&OWN_VARIABLES)).collect(),
            sockets: 0,
            renumbered: Vec::new(),
        };
        let text = |name| inherited.get(name).and_then(OsStr::to_str);
        let passed = descriptors::passed(text(LISTEN_PID), text(LISTEN_FDS));
        let watched = text(WATCHDOG_PID) == Some(process::own_pid().to_string().as_str());
        inherited.sockets = passed.unwrap_or(0);
        if passed.is_some() {
            inherited.renumbered.push(LISTEN_PID);
            // It names the process that was started, as LISTEN_PID does, and cannot be made right.
            inherited.pairs.retain(|pair| !pair.is_one_of(&["LISTEN_PIDFDID"]));
        }
        inherited.renumbered.extend(watched.then_some(WATCHDOG_PID));
        inherited
    }

    /// Members find this value, or none.
    pub(super) fn set(&mut self, name: &str, value: Option<&OsStr>) {
        self.pairs.retain(|pair| pair.name() != name.as_bytes());
        let text = value.map(|value| pair(OsStr::new(name), value));
        self.pairs.extend(text.map(|text| Pair { length: name.len(), text }));
    }

    pub(super) fn get(&self, name: &str) -> Option<&OsStr> {
        self.pairs.iter().find(|pair| pair.name() == name.as_bytes()).map(Pair::value)
    }

    /// The value that a member sees: its own, else the inherited one.
    pub(super) fn seen_by<'a>(&'a self, member: &'a Member, name: &str) -> Option<&'a OsStr> {
        match member.env.iter().rev().find(|(other, _)| other == name) {
            Some((_, value)) => value.as_deref().map(OsStr::new),
            None => self.get(name),
        }
    }

    /// The variables that this heir gets with its own process number as their value.
    pub(super) fn own_number(
        &self,
        heir: Heir,
        changes: &Changes,
    ) -> impl Iterator<Item = &'static str> {
        let names = if heir == Heir::Main { self.renumbered.as_slice() } else { &[] };
        let given = |name: &str| changes.iter().any(|(other, _)| other == name);
        names.iter().copied().filter(move |name| !given(name))
    }

    /// The environment of a member: its changes win, the last of equal names. What holds its own
    /// number is left out.
    pub(super) fn with<'a>(
        &'a self,
        heir: Heir,
        changes: &'a Changes,
    ) -> impl Iterator<Item = Vec<u8>> {
        let left_out: &[&str] = if heir == Heir::Main { &self.renumbered } else { &FOR_MAIN };
        let overridden = |name: &[u8]| changes.iter().any(|(other, _)| other.as_bytes() == name);
        let kept = self
            .pairs
            .iter()
            .filter(move |pair| !pair.is_one_of(left_out) && !overridden(pair.name()));
        let last =
            move |at: usize| !changes[at + 1..].iter().any(|(other, _)| *other == changes[at].0);
        let own = changes.iter().enumerate().filter(move |(at, _)| last(*at));
        let own = own.filter_map(|(_, (name, value))| {
            value.as_ref().map(|value| pair(OsStr::new(name), OsStr::new(value)))
        });
        kept.map(|pair| pair.text.clone()).chain(own)
    }
}

/// A member's changes, behind what its user brings along: HOME, USER and LOGNAME, unless given.
pub(super) fn with_account(account: Option<&Account>, given: &Changes) -> Changes {
    let mut changes = Changes::new();
    if let Some(account) = account {
        changes.push(("HOME".to_owned(), Some(account.home.clone())));
        // A number without a name has none: what we inherited would be somebody else's.
        changes.push(("USER".to_owned(), account.name.clone()));
        changes.push(("LOGNAME".to_owned(), account.name.clone()));
    }
    changes.extend(given.iter().cloned());
    changes
}

fn pair(name: &OsStr, value: &OsStr) -> Vec<u8> {
    let mut pair = OsString::with_capacity(name.len() + 1 + value.len());
    pair.push(name);
    pair.push("=");
    pair.push(value);
    pair.into_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inherited(pairs: &[(&str, &str)]) -> Inherited {
        Inherited::from_pairs(pairs.iter().map(|(name, value)| (name.into(), value.into())))
    }

    fn given(inherited: &Inherited, heir: Heir, changes: &Changes) -> Vec<String> {
        let text = |pair| String::from_utf8(pair).expect("plain text");
        inherited.with(heir, changes).map(text).collect()
    }

    fn change(name: &str, value: Option<&str>) -> (String, Option<String>) {
        (name.to_owned(), value.map(str::to_owned))
    }

    #[test]
    fn a_members_own_variables_win_and_null_unsets() {
        let inherited = inherited(&[("PATH", "/bin"), ("HOME", "/root"), ("PA", "x")]);
        let changes = vec![
            change("PATH", Some("/first")),
            change("HOME", None),
            change("PATH", Some("/last")),
            change("NEW", Some("a=b")),
        ];
        let env = given(&inherited, Heir::Main, &changes);
        assert_eq!(env, ["PA=x", "PATH=/last", "NEW=a=b"]);
    }

    #[test]
    fn what_a_service_manager_says_is_for_main() {
        // So that descriptors 3 and 4 are open.
        let _open = [(); 2].map(|()| std::fs::File::open("/dev/null").expect("it is there"));
        let own = process::own_pid().to_string();
        let inherited = inherited(&[
            ("LISTEN_PID", &own),
            ("LISTEN_FDS", "2"),
            ("LISTEN_FDNAMES", "a:b"),
            ("WATCHDOG_PID", "1"),
            ("WATCHDOG_USEC", "5"),
            ("NOTIFY_SOCKET", "/run/notify"),
            ("A", "b"),
        ]);
        assert_eq!(inherited.sockets, 2);
        let none = Changes::new();
        assert_eq!(given(&inherited, Heir::Sidecar, &none), ["A=b"]);
        let main = given(&inherited, Heir::Main, &none);
        assert!(!main.iter().any(|pair| pair.starts_with("LISTEN_PID=")), "{main:?}");
        assert!(main.contains(&"WATCHDOG_PID=1".to_owned()), "not ours: as it is");
        assert_eq!(main.len(), 6);
        let numbered =
            |heir, changes: &Changes| -> Vec<_> { inherited.own_number(heir, changes).collect() };
        assert_eq!(numbered(Heir::Main, &none), ["LISTEN_PID"]);
        assert!(numbered(Heir::Sidecar, &none).is_empty());
        assert!(numbered(Heir::Main, &vec![change("LISTEN_PID", None)]).is_empty());
    }

    #[test]
    fn a_user_brings_its_home_unless_it_is_given() {
        let account = Account {
            uid: 5,
            gid: 5,
            groups: Vec::new(),
            home: "/home/app".to_owned(),
            name: None,
        };
        let inherited = inherited(&[("HOME", "/root"), ("USER", "root"), ("LOGNAME", "root")]);
        let changes = with_account(Some(&account), &vec![change("LOGNAME", Some("me"))]);
        assert_eq!(given(&inherited, Heir::Main, &changes), ["HOME=/home/app", "LOGNAME=me"]);
        let own = with_account(None, &Changes::new());
        assert_eq!(given(&inherited, Heir::Main, &own).len(), 3);
    }
}
