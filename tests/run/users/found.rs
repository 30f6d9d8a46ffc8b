//! What a member of another user finds: its program, its groups, its output.

use super::group;
use crate::support::host::{can_mount, set_mode};
use crate::support::{Argv, Group, Mode, Shell, in_both_modes};

in_both_modes![
    a_program_is_looked_for_as_its_user,
    supplementary_groups_are_the_users_alone,
    a_containers_output_can_be_opened_anew,
];

/// What root's PATH has for root alone is not what another user finds.
fn a_program_is_looked_for_as_its_user(mode: Mode) {
    if !can_mount() {
        return;
    }
    let mut group = group(mode);
    let dir = group.dir().to_owned();
    for (folder, mode) in [("private", 0o700), ("public", 0o755)] {
        let folder = dir.join(folder);
        std::fs::create_dir(&folder).expect("a folder");
        let script = format!("#!/bin/sh\necho {}\n", folder.display());
        std::fs::write(folder.join("tool"), script).expect("a script");
        set_mode(&folder.join("tool"), 0o755);
        set_mode(&folder, mode);
    }
    let path = format!("{0}/private:{0}/public:/bin", dir.display());
    group = group.env("PATH", &path).main("web", Argv(&["tool"])).key("user: app");
    let ended = group.start().end();
    assert_eq!(ended.code(0).stdout, format!("{}/public\n", dir.display()), "{ended}");
}

/// As in a Dockerfile, also where `user` is who we are ourselves.
fn supplementary_groups_are_the_users_alone(mode: Mode) {
    if !can_mount() {
        return;
    }
    let groups = |key: &str| {
        let group = group(mode).after_script("exec setpriv --groups 33,44 \"$@\"");
        let ended = group.main("web", Argv(&["/usr/bin/id", "-G"])).key(key).start().end();
        ended.code(0).stdout.trim().to_owned()
    };
    assert_eq!(groups("user: \"0:0\""), "0");
    assert_eq!(groups("user: root"), "0");
    assert_eq!(groups("memory: 1G"), "0 33 44", "without it they are inherited");
}

/// `echo hi > /dev/stdout`, as under `docker run --user`.
fn a_containers_output_can_be_opened_anew(mode: Mode) {
    if !nix::unistd::geteuid().is_root() {
        return crate::support::cannot_run("only root can start members of other users");
    }
    let (reader, writer) = std::io::pipe().expect("a pipe");
    let script = "echo out > /dev/stdout && echo fine";
    let group = Group::new(mode).main("web", Shell(script)).key("user: nobody").stdout(writer);
    let ended = group.start().end();
    let text = std::io::read_to_string(reader).expect("text");
    match mode {
        Mode::Pid1 => {
            ended.code(0);
            assert_eq!(text, "out\nfine\n", "{ended}");
        }
        // Outside of a container it is somebody's: nothing is changed.
        Mode::Ordinary => drop(ended.code(2).says(&["enied"])),
    }
}
