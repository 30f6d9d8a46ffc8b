//! What does not start.

use std::net::{Ipv4Addr, TcpListener};

use nix::ifaddrs::getifaddrs;

use crate::support::host::set_mode;
use crate::support::ports::free_port;
use crate::support::{Argv, Ended, Group, Shell, cannot_run};
use crate::{Section, fixture_stopped_after, group, stopped_after};

const READY: &str = "#!/bin/sh\necho ready\nexec sleep 1000\n";

/// With a script of this name that can be executed.
fn script(group: Group, name: &str, text: &str) -> Group {
    let group = group.file(name, text);
    set_mode(&group.dir().join(name), 0o755);
    group
}

fn works(group: Group) -> Ended {
    stopped_after(group, "ready")
}

#[test]
fn a_key_that_is_none() {
    let section = Section::new("unknown key `comand`");
    let Some(broken) = group() else { return };
    let spec = "main: {name: web, comand: ./serve}\n";
    let ended = broken.file("group.yml", spec).bare(&["run", "group.yml"]).start().end();
    section.said(&ended, 125);
    assert!(ended.stderr.contains("did you mean `command`?"), "{ended}");
    let Some(fixed) = group() else { return };
    let spec = spec.replace("comand", section.fix("command"));
    let fixed = script(fixed, "serve", READY).file("group.yml", &spec);
    section.gone(&works(fixed.bare(&["run", "group.yml"])), 143);
}

#[test]
fn a_program_that_is_missing() {
    let section = Section::new("web could not be started: program ./serve: not found");
    let (Some(broken), Some(fixed)) = (group(), group()) else { return };
    section.said(&broken.main("web", Argv(&["./serve"])).start().end(), 127);
    section.gone(&works(script(fixed, "serve", READY).main("web", Argv(&["./serve"]))), 143);
}

#[test]
fn an_interpreter_that_is_missing() {
    let section = Section::new("program ./start.sh: its interpreter is missing: /opt/bin/bash");
    let (Some(broken), Some(fixed)) = (group(), group()) else { return };
    let text = READY.replace("#!/bin/sh", "#!/opt/bin/bash");
    let broken = script(broken, "start.sh", &text).main("web", Argv(&["./start.sh"]));
    section.said(&broken.start().end(), 126);
    let text = READY.replace("#!/bin/sh", section.fix("#!/bin/sh"));
    let fixed = script(fixed, "start.sh", &text).main("web", Argv(&["./start.sh"]));
    section.gone(&works(fixed), 143);
    // The other reason that the page names.
    let Some(dos) = group() else { return };
    let text = READY.replace('\n', "\r\n");
    let ended = script(dos, "start.sh", &text).main("web", Argv(&["./start.sh"])).start().end();
    ended.code(126).says(&["web could not be started", section.fix("the file has DOS line ends")]);
}

#[test]
fn a_script_without_its_first_line() {
    let section = Section::new("program ./start.sh: Exec format error");
    let (Some(broken), Some(fixed)) = (group(), group()) else { return };
    let text = READY.replace("#!/bin/sh\n", "");
    let broken = script(broken, "start.sh", &text).main("web", Argv(&["./start.sh"]));
    section.said(&broken.start().end(), 126);
    section.fix("#!/bin/sh");
    let fixed = script(fixed, "start.sh", READY).main("web", Argv(&["./start.sh"]));
    section.gone(&works(fixed), 143);
}

#[test]
fn a_command_that_the_shell_does_not_find() {
    let section = Section::new("web (pid 7) exited with 127 (its shell found no such command)");
    let (Some(broken), Some(fixed)) = (group(), group()) else { return };
    section.said(&broken.main("web", Shell("serve --port 8080")).start().end(), 127);
    let fixed =
        script(fixed, "serve", READY).main("web", Shell(section.fix("./serve --port 8080")));
    section.gone(&works(fixed), 143);
}

#[test]
fn a_user_who_is_unknown() {
    let section = Section::new("web could not be started: user app: no such name in /etc/passwd");
    let (Some(broken), Some(fixed)) = (group(), group()) else { return };
    let command = Argv(&["/bin/sh", "-c", "echo ready; exec sleep 1000"]);
    section.said(&broken.main("web", command).key("user: app").start().end(), 125);
    if crate::support::host::can_change_users() {
        let fixed = fixed.for_all_users().main("web", command);
        section.gone(&works(fixed.key(section.fix("user: \"1000:1000\""))), 143);
    }
}

#[test]
fn nobody_listens() {
    let section = Section::new(
        "web was never healthy within 60s: failed to make TCP connection to 127.0.0.1:8080 or \
         [::1]:8080: connection refused",
    );
    let (Some(broken), Some(fixed)) = (group(), group()) else { return };
    let (asked, other) = (free_port(), free_port());
    let check = format!("health_check: {{type: port, port: {asked}, start_timeout: 1s}}");
    let listen = |port: u16| format!("listen={port} exit-on=TERM:0 wait");
    let mut ended = broken.main("web", &*listen(other)).key(&check).start().end();
    ended.stderr = ended.stderr.replace(&asked.to_string(), "8080");
    section.said(&ended, 69);
    let patient = format!("health_check: {{type: port, port: {asked}}}");
    let fixed = fixed.main("web", &*listen(asked)).key(&patient);
    section.gone(&fixture_stopped_after(fixed, "healthy after"), 0);
}

#[test]
fn who_listens_on_loopback_alone() {
    let section = Section::new(
        "web is healthy, but Cloud Foundry would call it unhealthy: it answers on 127.0.0.1 and not on",
    );
    let mut addresses = getifaddrs().expect("the addresses of this machine").filter_map(|it| {
        let address = *it.address?.as_sockaddr_in()?;
        Some(address.ip())
    });
    if addresses.all(|it| it.is_loopback()) {
        return cannot_run("this machine has no other address than the loopback one");
    }
    // The tests' own process takes the connections, so that another address can be listened on.
    let healthy = |address: Ipv4Addr| {
        let listener = TcpListener::bind((address, 0)).expect("a port");
        let port = listener.local_addr().expect("its address").port();
        let group = group()?
            .main("web", "exit-on=TERM:0 wait")
            .key(&format!("health_check: {{type: port, port: {port}}}"))
            .top("platform: cloudfoundry");
        let ended = fixture_stopped_after(group, "healthy after");
        drop(listener);
        Some(ended)
    };
    if let Some(ended) = healthy(Ipv4Addr::LOCALHOST) {
        section.said(&ended, 0);
    }
    assert_eq!(section.fix("0.0.0.0"), Ipv4Addr::UNSPECIFIED.to_string());
    if let Some(ended) = healthy(Ipv4Addr::UNSPECIFIED) {
        section.gone(&ended, 0);
    }
}
