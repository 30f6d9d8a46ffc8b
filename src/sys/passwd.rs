//! The lines of `/etc/passwd` and `/etc/group`: `passwd(5)` and `group(5)`.
//!
//! Where both are lenient, this is as the C library and Docker are: what stands behind the numbers
//! may be missing, blanks around a line do not count. A line that is malformed nevertheless is
//! nobody's, never somebody with numbers that were made up.

use crate::spec::parse_id;

/// A whole entry of `/etc/passwd`.
#[derive(Debug)]
pub(super) struct Person<'a> {
    pub(super) name: &'a [u8],
    pub(super) uid: u32,
    pub(super) gid: u32,
    /// Empty when it has none.
    pub(super) home: &'a [u8],
}

/// Everybody in `/etc/passwd`, in file order.
pub(super) fn people(content: Option<&[u8]>) -> impl Iterator<Item = Person<'_>> {
    entries(content).filter_map(|fields| {
        let [name, _, uid, gid, ref rest @ ..] = fields[..] else {
            return None;
        };
        let home = rest.get(1).copied().unwrap_or_default();
        Some(Person { name, uid: id(uid)?, gid: id(gid)?, home })
    })
}

/// The number of the first group of that name in `/etc/group`.
pub(super) fn gid_of(group: &str, content: Option<&[u8]>) -> Option<u32> {
    entries(content).find_map(|fields| match fields[..] {
        [name, _, gid, ..] if name == group.as_bytes() => id(gid),
        _ => None,
    })
}

/// The groups in `/etc/group` that name this person a member: each once, in file order, without the
/// primary one.
pub(super) fn groups_of(person: &Person<'_>, content: Option<&[u8]>) -> Vec<u32> {
    let mut groups = Vec::new();
    for fields in entries(content) {
        let [_, _, gid, members, ..] = fields[..] else {
            continue;
        };
        let mut members = members.split(|byte| *byte == b',').map(<[u8]>::trim_ascii);
        if let Some(gid) = id(gid)
            && members.any(|member| member == person.name)
            && gid != person.gid
            && !groups.contains(&gid)
        {
            groups.push(gid);
        }
    }
    groups
}

/// The lines that can be entries, in their fields: no comments, nothing for NIS, nothing without a
/// name, and nothing with a NUL, which no environment can hold.
fn entries(content: Option<&[u8]>) -> impl Iterator<Item = Vec<&[u8]>> {
    content
        .unwrap_or_default()
        .split(|byte| *byte == b'\n')
        .map(<[u8]>::trim_ascii)
        .filter(|line| !matches!(line.first(), None | Some(b'#' | b'+' | b'-' | b':')))
        .filter(|line| !line.contains(&0))
        .map(|line| line.split(|byte| *byte == b':').collect())
}

fn id(field: &[u8]) -> Option<u32> {
    std::str::from_utf8(field).ok().and_then(parse_id)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Name, numbers and home of the one person in it, if there is one.
    fn person(content: &[u8]) -> Option<(String, u32, u32, String)> {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let mut people = people(Some(content));
        let found = people.next().map(|one| (text(one.name), one.uid, one.gid, text(one.home)));
        assert!(people.next().is_none(), "one line is one person");
        found
    }

    #[test]
    fn a_line_may_be_short_long_or_indented() {
        for (line, home) in [
            (&b"app:x:1000:1001:App,,,:/home/app:/bin/sh"[..], "/home/app"),
            (b"app:x:1000:1001:App,,,:/home/app:/bin/sh:more:of:it", "/home/app"),
            (b"app::1000:1001:\xff:/home/app:", "/home/app"),
            (b"\t app:x:1000:1001::/home/app \r", "/home/app"),
            (b"app:x:1000:1001::/home/my app:/bin/sh", "/home/my app"),
            (b"app:x:01000:1001:::/bin/sh", ""),
            (b"app:x:1000:1001:", ""),
            (b"app:x:1000:1001", ""),
        ] {
            let expected = Some(("app".to_owned(), 1000, 1001, home.to_owned()));
            let shown = String::from_utf8_lossy(line);
            assert_eq!(person(line), expected, "{shown}");
            assert_eq!(person(&[b"\n\n", line, b"\n"].concat()), expected, "{shown}");
        }
    }

    #[test]
    fn a_malformed_line_is_nobody() {
        for line in [
            &b""[..],
            b" \t\r",
            b"#app:x:1:1::/:",
            b"  # app:x:1:1::/:",
            b"app",
            b"app:x",
            b"app:x:1",
            b"app:x:1:",
            b"app:x::1::/:",
            b"app:x:+1:1::/:",
            b"app:x:-1:1::/:",
            b"app:x: 1:1::/:",
            b"app:x:0x1:1::/:",
            b"app:x:one:1::/:",
            b"app:x:1\xff:1::/:",
            b"app:x:4294967295:1::/:",
            b"app:x:1:4294967295::/:",
            b"app:x:4294967296:1::/:",
            b"app:x:99999999999999999999:1::/:",
            b"app\0:x:1:1::/:",
            b"app:x:1:1::/\0:",
            b":x:1:1::/:",
            b"+",
            b"+::::::",
            b"+app:x:1:1::/:",
            b"-app:x:1:1::/:",
        ] {
            assert_eq!(person(line), None, "{}", String::from_utf8_lossy(line));
        }
        assert_eq!(people(None).count(), 0);
    }

    const GROUPS: &[u8] = b"\
        #www:x:1:app\n\
        www:x:33:app,other\n\
        www:x:34:\n\
        own:x:1001:app\n\
        adm:x:4:other, app\n\
        adm2:x:4:app\n\
        \xe9:x:70:app,\xff\n\
        none:x:71\n\
        broken:x:seven:app\n\
        broken:x:4294967295:app\n\
        broken\n\
        +:x:72:app\n\
        -:x:73:app\n\
        :x:74:app\n\
        nul\0:x:75:app\n\
        almost:x:76:apps,ap,Ap,app.\n\
        empty:x:77:,,\n\
        apart:x:78:app\r";

    #[test]
    fn a_person_has_every_group_that_names_it_once() {
        let app = |name| Person { name, uid: 1000, gid: 1001, home: b"" };
        assert_eq!(groups_of(&app(b"app"), Some(GROUPS)), [33, 4, 70, 78]);
        assert_eq!(groups_of(&app(b"other"), Some(GROUPS)), [33, 4]);
        assert_eq!(groups_of(&app(b"nobody"), Some(GROUPS)), [0; 0]);
        assert_eq!(groups_of(&app(b"app"), None), [0; 0]);
    }

    #[test]
    fn the_first_whole_line_of_a_group_counts() {
        for (group, gid) in [("www", 33), ("none", 71), ("empty", 77), ("apart", 78)] {
            assert_eq!(gid_of(group, Some(GROUPS)), Some(gid), "{group}");
        }
        for group in ["broken", "", "+", "#www", "nul", "Www", "ww"] {
            assert_eq!(gid_of(group, Some(GROUPS)), None, "{group}");
        }
        assert_eq!(gid_of("www", None), None);
    }

    proptest! {
        #[test]
        fn lines_that_are_no_entries_change_nothing(
            noise in proptest::collection::vec(
                "[#+:-][a-z0-9:]{0,12}|[a-z]{0,6}(:[a-z]{0,3}){0,6}|[ \\t\\r]{0,4}",
                0..8,
            ),
            at in 0_usize..8,
        ) {
            let (before, after) = noise.split_at(at.min(noise.len()));
            let around = |line: &str| {
                let lines = before.iter().map(String::as_str).chain([line]);
                lines.chain(after.iter().map(String::as_str)).collect::<Vec<_>>().join("\n")
            };
            let found = person(around("app:x:1000:1001::/home/app").as_bytes());
            prop_assert_eq!(found, Some(("app".to_owned(), 1000, 1001, "/home/app".to_owned())));
            let groups = around("www:x:33:app");
            let app = Person { name: b"app", uid: 1000, gid: 1001, home: b"" };
            prop_assert_eq!(groups_of(&app, Some(groups.as_bytes())), [33]);
            prop_assert_eq!(gid_of("www", Some(groups.as_bytes())), Some(33));
        }
    }
}
