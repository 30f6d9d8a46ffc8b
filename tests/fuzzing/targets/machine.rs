//! What the machine tells: `/etc/passwd` and `/etc/group`, `/proc`, control groups, a program's beginning, and
//! what profile scripts have set. All of these others can write to, or put into another form.

use fateshare::run::changed_by_scripts;
use fateshare::spec::{LARGEST_ID, UserName};
use fateshare::sys::readers;
use fateshare::sys::status_socket::Place;

use super::choices::Choices;
use super::judge;

/// The first byte says which file the others are; where there are two, they are apart by a byte that no text has.
pub(super) fn machine(data: &[u8]) -> bool {
    let mut choices = Choices(data);
    match choices.below(7) {
        0 => accounts(choices.until(0xff), choices.0),
        1 => process(choices.0),
        2 => memory(choices.until(0xff), choices.0),
        3 => ports(choices.0),
        4 => sockets(choices.0),
        5 => interpreter(choices.0),
        _ => scripts(choices.until(0xff), choices.0),
    }
}

fn accounts(passwd: &[u8], group: &[u8]) -> bool {
    let mut found = false;
    for user in ["app", "1000", "root:www", "app:12", "4294967294"] {
        let user = UserName::parse(user).expect("a user");
        match readers::account(&user, 7, passwd, group) {
            Ok(account) => {
                found = true;
                let groups = &account.groups;
                assert!(
                    [account.uid, account.gid].iter().chain(groups).all(|it| *it <= LARGEST_ID)
                );
                assert!(!groups.contains(&account.gid), "{account:?}");
                let twice = |at: usize| groups[..at].contains(&groups[at]);
                assert!(!(0..groups.len()).any(twice), "{account:?}");
                assert!(!account.home.is_empty() && !account.home.contains('\0'), "{account:?}");
                // Who is named has an entry of that name, or that number, and no other.
                match user.user.parse::<u32>() {
                    Ok(uid) => assert_eq!(account.uid, uid),
                    Err(_) => assert_eq!(account.name.as_ref(), Some(&user.user)),
                }
                let digits = user.group.as_ref().and_then(|group| group.parse::<u32>().ok());
                assert!(digits.is_none_or(|gid| gid == account.gid), "{account:?}");
            }
            Err(unknown) => judge::is_one_line("an unknown user", &unknown.reason),
        }
    }
    found
}

fn process(text: &[u8]) -> bool {
    let Some(stat) = readers::process(text) else { return false };
    // What the kernel would write of it is read as the same.
    let line = format!(
        "{} ({}) {} {} {} {} {} -1 0 0 0 0 0 {} 0 0 0 20 0 {} 0 {} 0 {} 1",
        stat.key.pid,
        stat.name,
        char::from(stat.state),
        stat.parent,
        stat.group,
        stat.session,
        stat.terminal,
        stat.cpu_ticks,
        stat.threads,
        stat.key.start_ticks,
        stat.resident_pages
    );
    if stat.state.is_ascii_graphic() {
        assert_eq!(readers::process(line.as_bytes()), Some(stat), "{line}");
    }
    true
}

fn memory(groups: &[u8], mounts: &[u8]) -> bool {
    let folders = readers::memory_groups(groups, mounts);
    let lines = mounts.split(|byte| *byte == b'\n').count();
    assert!(folders.len() <= lines);
    let upwards = |part| part == std::path::Component::ParentDir;
    for folder in &folders {
        let escapes = mounts.windows(2).any(|part| part == b"..");
        assert!(escapes || !folder.components().any(upwards), "{}", folder.display());
    }
    readers::kills(mounts).is_some() || !folders.is_empty()
}

fn ports(text: &[u8]) -> bool {
    let found = readers::ports(text);
    assert!(found.len() <= text.split(|byte| *byte == b'\n').count());
    !found.is_empty()
}

fn sockets(text: &[u8]) -> bool {
    let found = readers::sockets(text, 4_026_531_836);
    for place in &found {
        let Place::Abstract(name) = place else { panic!("{place:?}") };
        assert!(name.starts_with("fateshare-4026531836-"), "{name}");
        assert_eq!(Place::parse(place.to_string().as_ref()), *place);
        let _ = place.address();
    }
    !found.is_empty()
}

fn interpreter(head: &[u8]) -> bool {
    readers::interpreter(head).is_some_and(|needed| !needed.is_empty() && !needed.contains('\n'))
}

/// What members inherit can stand in an environment.
fn scripts(before: &[u8], written: &[u8]) -> bool {
    let Some((changes, no_text)) = changed_by_scripts(before, written) else { return false };
    for (name, value) in &changes {
        assert!(!name.is_empty() && !name.contains(['=', '\0']), "{name:?}");
        assert!(value.as_ref().is_none_or(|value| !value.contains('\0')), "{name:?}");
    }
    for name in no_text {
        judge::is_one_line("a variable's name", &name);
    }
    true
}
