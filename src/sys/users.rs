//! Who a user is, by the image's own `/etc/passwd` and `/etc/group`.
//!
//! The files are read as text, never by the C library's name service, which a static binary does
//! not have. What the words mean is what Docker's `USER` makes of them. In one thing that is not
//! what `chown(1)` does: digits are a number even where an entry has them for its name, or an image
//! could give root to whoever asks for user 1000 (CVE-2016-3697).

use std::fs;
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use nix::libc;

use super::passwd::{gid_of, groups_of, people};
use super::seam;
use crate::spec::{UserName, parse_id};

/// Whom a member runs as, in numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// The user.
    pub uid: u32,
    /// The primary group.
    pub gid: u32,
    /// Supplementary groups, each once and without the primary one.
    pub groups: Vec<u32>,
    /// The home directory; `/` when nothing says which.
    pub home: String,
    /// Its name; `None` for a number without an entry.
    pub name: Option<String>,
}

/// Why it is not known who a user is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unknown {
    /// A fragment that fits after `could not be started: `.
    pub reason: String,
    /// The next move, if there is a usual one.
    pub hint: Option<String>,
}

const PASSWD: &str = "/etc/passwd";
const GROUP: &str = "/etc/group";

/// More than any image's users; a file that is larger is not what it should be.
const LARGEST: u64 = 16 << 20;

/// Looks a user up in the image's files. `own_gid` is the group of a number without an entry.
///
/// A file that is not there is like an empty one; one that cannot be read is an error.
pub fn look_up(user: &UserName, own_gid: u32) -> Result<Account, Unknown> {
    resolve(user, own_gid, &|path| read(Path::new(path)))
}

/// A file's bytes, `None` where there is no such file.
fn read(path: &Path) -> io::Result<Option<Vec<u8>>> {
    // Without waiting, should it be a FIFO to which nobody writes.
    let opened = seam::call("open_users", || {
        fs::File::options().read(true).custom_flags(libc::O_NONBLOCK).open(path)
    });
    let file = match opened {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        opened => opened?,
    };
    let mut content = Vec::new();
    seam::call("read_users", || file.take(LARGEST + 1).read_to_end(&mut content))?;
    if content.len() as u64 > LARGEST {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, "it is larger than 16 MiB"));
    }
    Ok(Some(content))
}

/// Says who it is. `read` gives the content of a file and is asked only for what is needed: with
/// numbers for both, no group file can stand in the way.
pub(super) fn resolve(
    user: &UserName,
    own_gid: u32,
    read: &dyn Fn(&'static str) -> io::Result<Option<Vec<u8>>>,
) -> Result<Account, Unknown> {
    let unknown = |reason: String, hint| Unknown { reason: format!("user {user}: {reason}"), hint };
    let open = |path| read(path).map_err(|error| unknown(format!("{path}: {error}"), None));
    let text = |what: &str, bytes: &[u8]| {
        String::from_utf8(bytes.to_vec())
            .map_err(|_| unknown(format!("its {what} in {PASSWD} is not UTF-8 text"), None))
    };
    let missing = |what: &str, path: &str, there: bool| {
        let (reason, hint) = if there {
            (format!("no such {what} in {path}"), "Use a number, or add it to the image")
        } else {
            (format!("this image has no {path}"), "Use a number")
        };
        unknown(reason, Some(hint.to_owned()))
    };

    let passwd = open(PASSWD)?;
    let mut people = people(passwd.as_deref());
    let (uid, person) = match parse_id(&user.user) {
        Some(uid) => (uid, people.find(|person| person.uid == uid)),
        None => match people.find(|person| person.name == user.user.as_bytes()) {
            Some(person) => (person.uid, Some(person)),
            None => return Err(missing("name", PASSWD, passwd.is_some())),
        },
    };
    let (gid, groups) = match (&user.group, &person) {
        (Some(group), _) => {
            let gid = if let Some(gid) = parse_id(group) {
                gid
            } else {
                let content = open(GROUP)?;
                gid_of(group, content.as_deref())
                    .ok_or_else(|| missing("group", GROUP, content.is_some()))?
            };
            (gid, Vec::new())
        }
        (None, Some(person)) => (person.gid, groups_of(person, open(GROUP)?.as_deref())),
        (None, None) => (own_gid, Vec::new()),
    };
    let (home, name) = match person {
        Some(person) => (text("home directory", person.home)?, Some(text("name", person.name)?)),
        None => (String::new(), None),
    };
    let home = if home.is_empty() { "/".to_owned() } else { home };
    Ok(Account { uid, gid, groups, home, name })
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use nix::sys::stat::Mode;
    use nix::unistd::mkfifo;
    use proptest::prelude::*;

    use super::*;

    const PEOPLE: &[u8] = b"\
        # who is who\n\
        root:x:0:0:root:/root:/bin/sh\n\
        toor:x:0:7:another root:/toor:/bin/sh\n\
        broken:x:one:1::/broken:\n\
        caf\xe9:x:63:63:\xff:/caf\xe9:\n\
        odd:x:64:64::/h\xe9:\n\
        app:x:1000:1001:App,,,:/home/app:/bin/sh\n\
        app:x:5:5::/second:\n\
        again:x:1000:6::/third:\n\
        homeless:x:1002:1002:::/bin/sh\n\
        2000:x:0:0::/root:/bin/sh\n\
        2001:x:2001:2002::/digits:\n\
        last:x:1005:1005::/home/last";

    const GROUPS: &[u8] = b"\
        # who is with whom\n\
        root:x:0:\n\
        www:x:33:app,again\n\
        www:x:34:\n\
        own:x:1001:app,last\n\
        adm:x:4:1000,app\n\
        none:x:71\n\
        broken:x:seven:app\n\
        77:x:78:\n\
        rooted:x:79:root,caf\xe9,last";

    /// Looks it up in these files; our own group is 9.
    fn ask(user: &str, passwd: Option<&[u8]>, group: Option<&[u8]>) -> Result<Account, Unknown> {
        let user = UserName::parse(user).expect("a user");
        resolve(&user, 9, &|path| {
            let content = if path == PASSWD { passwd } else { group };
            Ok(content.map(<[u8]>::to_vec))
        })
    }

    fn found(user: &str) -> Account {
        ask(user, Some(PEOPLE), Some(GROUPS)).unwrap_or_else(|unknown| panic!("{unknown:?}"))
    }

    fn account(uid: u32, gid: u32, groups: &[u32], home: &str, name: Option<&str>) -> Account {
        let (home, name) = (home.to_owned(), name.map(str::to_owned));
        Account { uid, gid, groups: groups.to_vec(), home, name }
    }

    #[test]
    fn a_name_or_its_number_is_the_whole_person() {
        let app = account(1000, 1001, &[33, 4], "/home/app", Some("app"));
        assert_eq!(found("app"), app, "the first entry of a name");
        assert_eq!(found("1000"), app, "the first entry of a number");
        let root = account(0, 0, &[79], "/root", Some("root"));
        assert_eq!(found("root"), root);
        assert_eq!(found("0"), root);
        assert_eq!(found("toor"), account(0, 7, &[], "/toor", Some("toor")));
        assert_eq!(found("last"), account(1005, 1005, &[1001, 79], "/home/last", Some("last")));
        assert_eq!(found("homeless").home, "/");
    }

    #[test]
    fn a_group_takes_the_place_of_all_groups() {
        for (user, gid) in [("app:www", 33), ("1000:adm", 4), ("app:4", 4), ("app:12345", 12345)] {
            assert_eq!(found(user), account(1000, gid, &[], "/home/app", Some("app")), "{user}");
        }
        assert_eq!(found("5000:www"), account(5000, 33, &[], "/", None));
        assert_eq!(found("5000:5001"), account(5000, 5001, &[], "/", None));
        assert_eq!(found("app:none").gid, 71, "a group needs no list of members");
    }

    #[test]
    fn a_number_needs_no_entry() {
        assert_eq!(found("5000"), account(5000, 9, &[], "/", None));
        assert_eq!(ask("5000", None, None), Ok(account(5000, 9, &[], "/", None)));
        assert_eq!(ask("0", Some(b""), None), Ok(account(0, 9, &[], "/", None)));
        assert_eq!(ask("0:0", None, None), Ok(account(0, 0, &[], "/", None)));
        assert_eq!(found("4294967294").uid, 4_294_967_294);
    }

    #[test]
    fn digits_are_a_number_whatever_the_entries_are_called() {
        assert_eq!(found("2000"), account(2000, 9, &[], "/", None), "not the root of that name");
        assert_eq!(found("2001"), account(2001, 2002, &[], "/digits", Some("2001")));
        assert_eq!(found("app:77").gid, 77);
    }

    #[test]
    fn what_is_missing_is_named_with_the_next_move() {
        let told = |user, passwd, group| {
            let Unknown { reason, hint } = ask(user, passwd, group).expect_err("unknown");
            format!("{reason}. {}", hint.expect("a hint"))
        };
        assert_eq!(
            told("nobody", Some(PEOPLE), None),
            "user nobody: no such name in /etc/passwd. Use a number, or add it to the image"
        );
        assert_eq!(
            told("root:www", None, None),
            "user root:www: this image has no /etc/passwd. Use a number"
        );
        assert_eq!(
            told("app:www", Some(PEOPLE), None),
            "user app:www: this image has no /etc/group. Use a number"
        );
        assert_eq!(
            told("1:nogroup", None, Some(b"")),
            "user 1:nogroup: no such group in /etc/group. Use a number, or add it to the image"
        );
        for name in ["broken", "App", "ap", "app2", "#"] {
            let reason = format!("user {name}: no such name in /etc/passwd");
            assert_eq!(ask(name, Some(PEOPLE), None).expect_err(name).reason, reason);
        }
        let alone = ask("app", Some(PEOPLE), None).expect("no group file is an empty one");
        assert_eq!(alone, account(1000, 1001, &[], "/home/app", Some("app")));
    }

    #[test]
    fn a_home_or_name_that_is_no_text_is_an_error_of_its_owner_alone() {
        for user in ["odd", "64", "63:1"] {
            let unknown = ask(user, Some(PEOPLE), Some(GROUPS)).expect_err(user);
            let reason =
                format!("user {user}: its home directory in /etc/passwd is not UTF-8 text");
            assert_eq!(unknown.reason, reason);
        }
        let unknown = ask("5", Some(b"\xff:x:5:5::/:"), None).expect_err("no text");
        assert_eq!(unknown.reason, "user 5: its name in /etc/passwd is not UTF-8 text");
    }

    #[test]
    fn only_the_files_that_are_needed_are_read() {
        for (user, files) in [
            ("app", &[PASSWD, GROUP][..]),
            ("app:www", &[PASSWD, GROUP]),
            ("app:1", &[PASSWD]),
            ("1:1", &[PASSWD]),
            ("5000", &[PASSWD]),
        ] {
            let asked = RefCell::new(Vec::new());
            let read = |path: &'static str| {
                asked.borrow_mut().push(path);
                Ok(Some(if path == PASSWD { PEOPLE } else { GROUPS }.to_vec()))
            };
            let user = UserName::parse(user).expect("a user");
            resolve(&user, 9, &read).expect("found");
            assert_eq!(*asked.borrow(), files, "{user}");
        }
    }

    #[test]
    fn a_file_that_cannot_be_read_is_an_error_and_says_why() {
        let dir = tempfile::tempdir().expect("a folder");
        let there = |name: &str| dir.path().join(name);
        fs::create_dir(there("dir")).expect("a folder");
        let large = fs::File::create(there("large")).expect("a file");
        large.set_len(LARGEST + 1).expect("a sparse file");
        mkfifo(&there("fifo"), Mode::S_IRWXU).expect("a FIFO");
        std::os::unix::fs::symlink("nowhere", there("dangling")).expect("a link");
        let reason = |name: &str| {
            let user = UserName::parse("1:1").expect("a user");
            resolve(&user, 9, &|_| read(&there(name))).map_err(|unknown| unknown.reason)
        };
        assert_eq!(
            reason("dir"),
            Err("user 1:1: /etc/passwd: Is a directory (os error 21)".to_owned())
        );
        assert_eq!(
            reason("large/passwd"),
            Err("user 1:1: /etc/passwd: Not a directory (os error 20)".to_owned())
        );
        assert_eq!(
            reason("large"),
            Err("user 1:1: /etc/passwd: it is larger than 16 MiB".to_owned())
        );
        large.set_len(LARGEST).expect("a sparse file");
        for name in ["large", "fifo", "dangling", "missing"] {
            assert_eq!(reason(name), Ok(account(1, 1, &[], "/", None)), "{name}");
        }
        let refused = |_| Err(io::Error::from_raw_os_error(libc::EACCES));
        let user = UserName::parse("app").expect("a user");
        assert_eq!(
            resolve(&user, 9, &refused),
            Err(Unknown {
                reason: "user app: /etc/passwd: Permission denied (os error 13)".to_owned(),
                hint: None
            })
        );
    }

    #[test]
    fn this_machines_root_is_found() {
        let root = look_up(&UserName::parse("root").expect("a user"), 9).expect("it has one");
        assert_eq!((root.uid, root.gid, root.name.as_deref()), (0, 0, Some("root")));
    }

    /// Files that are nearly right.
    fn nearly_a_file() -> impl Strategy<Value = Vec<u8>> {
        let piece = proptest::sample::select(vec![
            &b"app"[..],
            b"1000",
            b"0",
            b":",
            b":",
            b":",
            b"::",
            b":x:",
            b",",
            b"\n",
            b"\n",
            b"#",
            b"+",
            b"-",
            b" ",
            b"\r",
            b"\0",
            b"\xff",
            b"/home",
            b"4294967295",
            b"99999999999",
        ]);
        proptest::collection::vec(piece, 0..60).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #[test]
        fn no_files_break_what_is_promised(passwd in nearly_a_file(), group in nearly_a_file()) {
            for user in ["app", "1000", "0", "app:app", "1000:1000", "7"] {
                let Ok(account) = ask(user, Some(&passwd), Some(&group)) else { continue };
                if let Some(uid) = parse_id(UserName::parse(user).expect("a user").user.as_str()) {
                    prop_assert_eq!(account.uid, uid, "a number is that number");
                }
                prop_assert!(account.uid != u32::MAX && account.gid != u32::MAX);
                prop_assert!(!account.groups.contains(&account.gid));
                prop_assert!(!account.home.is_empty() && !account.home.contains('\0'));
                let once: std::collections::BTreeSet<_> = account.groups.iter().collect();
                prop_assert_eq!(once.len(), account.groups.len());
                prop_assert!(!user.contains(':') || account.groups.is_empty());
            }
        }
    }
}
