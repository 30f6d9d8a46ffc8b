//! What we may do: whether a member can be given another user.

use std::fs;
use std::io;

use nix::libc;
use nix::unistd::{Gid, Uid, getgroups, getresgid, getresuid};

use super::seam;
use super::users::Account;

/// Who we are ourselves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Own {
    /// Our user, where real, effective and saved one are the same.
    uid: Option<Uid>,
    /// Our group, likewise.
    gid: Option<Gid>,
    /// Our supplementary groups, ascending, without our own.
    groups: Vec<u32>,
    /// Our effective capabilities (`capabilities(7)`), a bit each.
    capabilities: u64,
}

/// The capabilities that a change of user takes, with their numbers (`capabilities(7)`).
const NEEDED: [(&str, u32); 3] = [("CAP_KILL", 5), ("CAP_SETGID", CAP_SETGID), ("CAP_SETUID", 7)];
const CAP_SETGID: u32 = 6;

/// What has to be changed to become somebody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    pub(super) uid: u32,
    pub(super) gid: u32,
    pub(super) groups: Vec<u32>,
}

impl Change {
    /// The user that it becomes.
    pub fn user(&self) -> u32 {
        self.uid
    }
}

impl Own {
    /// Asks the kernel.
    pub fn read() -> io::Result<Self> {
        let users = seam::call("getresuid", || Ok(getresuid()?))?;
        let groups = seam::call("getresgid", || Ok(getresgid()?))?;
        let same_user = users.real == users.effective && users.real == users.saved;
        let same_group = groups.real == groups.effective && groups.real == groups.saved;
        let supplementary = seam::call("getgroups", || Ok(getgroups()?))?;
        Ok(Self {
            groups: sorted(supplementary.into_iter().map(Gid::as_raw), groups.effective.as_raw()),
            uid: same_user.then_some(users.real),
            gid: same_group.then_some(groups.real),
            capabilities: capabilities()?,
        })
    }

    /// Our effective group.
    pub fn gid(&self) -> u32 {
        self.gid.unwrap_or_else(nix::unistd::getegid).as_raw()
    }

    /// What it takes to become this account: nothing if it is ourselves, with the same groups, else
    /// the reason why it cannot be done.
    ///
    /// Another user needs `CAP_SETUID` and `CAP_SETGID` to become it, and `CAP_KILL` to stop it later;
    /// a container may also forbid changes of groups, or know no such number.
    pub fn change_to(&self, account: &Account) -> Result<Option<Change>, String> {
        let same_user = self.uid == Some(Uid::from_raw(account.uid));
        let same_group = self.gid == Some(Gid::from_raw(account.gid));
        let same_groups = sorted(account.groups.iter().copied(), account.gid) == self.groups;
        let may_set_groups = self.capabilities & (1 << CAP_SETGID) != 0
            && !seam::call("read_setgroups", || fs::read_to_string("/proc/self/setgroups"))
                .is_ok_and(|text| text.trim() == "deny");
        // Who may not change them keeps them: that is no reason not to be oneself.
        if same_user && same_group && (same_groups || !may_set_groups) {
            return Ok(None);
        }
        let lacking: Vec<&str> = NEEDED
            .iter()
            .filter(|(name, _)| !(same_user && matches!(*name, "CAP_SETUID" | "CAP_KILL")))
            .filter(|(_, number)| self.capabilities & (1 << number) == 0)
            .map(|(name, _)| *name)
            .collect();
        if !lacking.is_empty() {
            return Err(format!("fateshare lacks {}", lacking.join(", ")));
        }
        if !may_set_groups {
            return Err("this user namespace does not allow setgroups".to_owned());
        }
        for (kind, file, number) in [
            ("user", "/proc/self/uid_map", account.uid),
            ("group", "/proc/self/gid_map", account.gid),
        ] {
            if seam::call("read_id_map", || fs::read_to_string(file))
                .is_ok_and(|map| !is_mapped(&map, number))
            {
                return Err(format!("{kind} {number} does not exist in this user namespace"));
            }
        }
        let Account { uid, gid, groups, .. } = account;
        Ok(Some(Change { uid: *uid, gid: *gid, groups: groups.clone() }))
    }
}

/// Groups as a set, without the primary one.
fn sorted(groups: impl Iterator<Item = u32>, primary: u32) -> Vec<u32> {
    let mut groups: Vec<u32> = groups.filter(|group| *group != primary).collect();
    groups.sort_unstable();
    groups.dedup();
    groups
}

/// Whether a number exists in a user namespace with this map (`user_namespaces(7)`).
fn is_mapped(map: &str, number: u32) -> bool {
    let mut ranges = map.lines().filter_map(|line| {
        let mut fields = line.split_ascii_whitespace().map(str::parse::<u32>);
        let (first, _, count) = (fields.next()?.ok()?, fields.next()?, fields.next()?.ok()?);
        Some((first, count))
    });
    ranges.any(|(first, count)| number.checked_sub(first).is_some_and(|offset| offset < count))
}

/// Whether we may make namespaces without a user namespace (`CAP_SYS_ADMIN`).
pub(super) fn may_administer() -> bool {
    const CAP_SYS_ADMIN: u32 = 21;
    capabilities().is_ok_and(|effective| effective & (1 << CAP_SYS_ADMIN) != 0)
}

/// Our effective capabilities, by `capget(2)`: it works without `/proc`.
fn capabilities() -> io::Result<u64> {
    /// `_LINUX_CAPABILITY_VERSION_3`.
    const VERSION: u32 = 0x2008_0522;
    let mut header: [u32; 2] = [VERSION, 0];
    // Two sets of 32 bits each: effective, permitted, inheritable.
    let mut data = [[0_u32; 3]; 2];
    seam::checked("capget", || {
        // SAFETY: both lead to what this version of the call reads and writes.
        let result =
            unsafe { libc::syscall(libc::SYS_capget, header.as_mut_ptr(), data.as_mut_ptr()) };
        if result == -1 { -1 } else { 0 }
    })?;
    Ok(u64::from(data[0][0]) | u64::from(data[1][0]) << 32)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn own(uid: u32, gid: u32, capabilities: u64) -> Own {
        let (uid, gid) = (Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)));
        Own { uid, gid, groups: vec![7], capabilities }
    }

    fn account(uid: u32, gid: u32) -> Account {
        Account { uid, gid, groups: vec![7], home: "/".to_owned(), name: None }
    }

    #[test]
    fn becoming_oneself_takes_nothing() {
        assert_eq!(own(1000, 1000, 0).change_to(&account(1000, 1000)), Ok(None));
    }

    #[test]
    fn other_groups_are_a_change_for_those_who_may() {
        let other = Account { groups: vec![7, 8], ..account(1000, 1000) };
        assert_eq!(own(1000, 1000, 0).change_to(&other), Ok(None), "they are kept");
        let change = own(1000, 1000, 1 << CAP_SETGID).change_to(&other);
        let expected = Change { uid: 1000, gid: 1000, groups: vec![7, 8] };
        assert_eq!(change, Ok(Some(expected)));
        let same = Account { groups: vec![7, 1000, 7], ..account(1000, 1000) };
        assert_eq!(own(1000, 1000, 1 << CAP_SETGID).change_to(&same), Ok(None));
    }

    #[test]
    fn what_is_lacking_is_named() {
        let change = |capabilities, uid, gid| {
            own(1000, 1000, capabilities).change_to(&account(uid, gid)).map(drop)
        };
        let lacks = |names: &str| Err(format!("fateshare lacks {names}"));
        assert_eq!(change(0, 0, 0), lacks("CAP_KILL, CAP_SETGID, CAP_SETUID"));
        assert_eq!(change(1 << 5 | 1 << 6, 0, 0), lacks("CAP_SETUID"));
        assert_eq!(change(0, 1000, 0), lacks("CAP_SETGID"), "the group alone");
        assert_eq!(change(1 << 5 | 1 << 6 | 1 << 7, 0, 0), Ok(()));
    }

    #[test]
    fn numbers_outside_the_map_do_not_exist() {
        assert!(is_mapped("         0          0 4294967295\n", 4_294_967_294));
        let one = "      1000       1000          1\n         0     100000         10\n";
        for (number, expected) in [(1000, true), (1001, false), (0, true), (9, true), (10, false)] {
            assert_eq!(is_mapped(one, number), expected, "{number}");
        }
        assert!(!is_mapped("", 0));
    }

    #[test]
    fn the_kernel_tells_who_we_are() {
        let own = Own::read().expect("who we are");
        let root = nix::unistd::geteuid().is_root();
        assert!(!root || own.capabilities != 0 || own.uid.is_none());
    }
}
