//! Where `fateshare` runs: how it is started there, and that it is there.

use std::fs;
use std::path::Path;
use std::process;

use nix::unistd::geteuid;

use crate::docker::Engine;
use crate::limits::{self, Cgroup, Limits};
use crate::support::host::set_mode;
use crate::support::{Group, fateshare, fixture, unshare};
use crate::table::Where;

/// Makes everything read-only but the test's own folder, and proves it.
const READ_ONLY: &str = r#"
mount --bind "$PWD" "$PWD" && cd "$PWD" || exit 99
while read -r what at rest; do
    case $at in
        "$PWD" | /proc | /proc/* | /sys | /sys/* | /dev | /dev/pts) ;;
        *) mount -o remount,bind,ro "$at" 2>/dev/null ;;
    esac
done </proc/self/mounts
for folder in / /tmp /var/tmp /run /dev/shm /root; do
    if touch "$folder/fateshare-was-here" 2>/dev/null; then
        rm "$folder/fateshare-was-here"
        echo "$folder can be written" >&2
        exit 99
    fi
done
exec "$@"
"#;

/// What all cells of a place share.
pub(crate) struct Stage {
    pub(crate) place: Where,
    /// With the name of an image that has nothing in it.
    docker: Option<(Engine, String)>,
}

impl Stage {
    /// Or why there is none here.
    pub(crate) fn set(place: Where) -> Result<Self, String> {
        if !geteuid().is_root() {
            return Err("it takes root".to_owned());
        }
        unshare()?;
        limits::can_limit()?;
        let docker = (place == Where::Seccomp).then(image).transpose()?;
        Ok(Self { place, docker })
    }

    /// Whether we are PID 1 there.
    pub(crate) fn is_pid_1(&self) -> bool {
        !matches!(self.place, Where::Ordinary | Where::Unprivileged)
    }

    /// Prepares how the group is started: `around` are scripts around everything, `inherits` those that give
    /// `fateshare` what it inherits. Each ends in `exec "$@"`, or something like that.
    pub(crate) fn set_up(
        &self,
        mut group: Group,
        around: &[&str],
        inherits: &[&str],
        limits: Limits,
    ) -> (Group, Option<Cgroup>) {
        for script in around {
            group = group.after_script(script);
        }
        if let Some((engine, image)) = &self.docker {
            group = in_container(group, engine, image, limits);
            for script in inherits {
                group = group.after_script(script);
            }
            return (group, None);
        }
        let cgroup = Cgroup::make(limits).expect("a control group");
        let join = cgroup.as_ref().map(Cgroup::join).unwrap_or_default();
        // What dies of a signal here must leave no core.
        group = group.after_script(&format!("{join} ulimit -c 0 && exec \"$@\""));
        for script in inherits {
            group = group.after_script(script);
        }
        let namespace = || unshare().expect("it was tried").join(" ");
        group = match self.place {
            Where::Ordinary => group,
            Where::Apart => group.arguments(&["--pid1"]),
            Where::Pid1 => group.after_script(&format!("exec {} \"$@\"", namespace())),
            Where::ReadOnly => group
                .after_script(&format!("exec {} \"$@\"", namespace()))
                .after_script(READ_ONLY)
                // It looks for a place for its socket.
                .without_env("FATESHARE_SOCKET"),
            Where::Unprivileged => {
                // It leaves a report there.
                let group = group.for_all_users().run_by_nobody("--inh-caps=-all");
                set_mode(group.dir(), 0o777);
                group
            }
            Where::Seccomp => unreachable!("that is a container"),
        };
        (group, cgroup)
    }

    /// The program that runs there for a group in this folder.
    pub(crate) fn program(&self, folder: &Path) -> std::path::PathBuf {
        match self.place {
            Where::Unprivileged => folder.join("fateshare"),
            _ => fateshare().to_owned(),
        }
    }

    /// It is there.
    #[track_caller]
    pub(crate) fn prove(&self, fateshare: i32) {
        let read = |file: &str| {
            fs::read_to_string(format!("/proc/{fateshare}/{file}")).unwrap_or_default()
        };
        let status = read("status");
        let field = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
            let words = line.unwrap_or_default().split_whitespace();
            words.map(str::to_owned).collect::<Vec<_>>()
        };
        let shown = format!("{}: {status}", self.place);
        let numbers = field("NSpid");
        let is_pid_1 = numbers.len() > 1 && numbers.last().is_some_and(|last| last == "1");
        assert_eq!(is_pid_1, self.is_pid_1(), "{shown}");
        let user = if self.place == Where::Unprivileged { "65534" } else { "0" };
        assert!(field("Uid").iter().all(|uid| uid == user), "{shown}");
        let powerless = field("CapEff").iter().all(|set| set.bytes().all(|digit| digit == b'0'));
        assert_eq!(powerless, self.place == Where::Unprivileged, "{shown}");
        let filtered = field("Seccomp") == ["2"];
        assert_eq!(filtered, self.place == Where::Seccomp, "{shown}");
        if self.place == Where::ReadOnly {
            let mounts = read("mountinfo");
            let mut mounted = mounts.lines().map(|line| line.split(' ').collect::<Vec<_>>());
            let last = mounted.rfind(|fields| fields.get(4) == Some(&"/"));
            let options = last.and_then(|fields| fields.get(5).copied()).unwrap_or_default();
            assert!(options.split(',').any(|option| option == "ro"), "{mounts}");
        }
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        if let Some((engine, image)) = &self.docker {
            engine.docker_said(&["rmi", "--force", image]);
        }
    }
}

fn image() -> Result<(Engine, String), String> {
    let engine = Engine::find().map_err(|why| format!("no Docker Engine: {why}"))?;
    let context = tempfile::tempdir().expect("a folder");
    fs::write(context.path().join("Dockerfile"), "FROM scratch\nLABEL for=tests\n")
        .expect("a file");
    let image = format!("fateshare-hard-to-kill-{}", process::id());
    let path = context.path().to_str().expect("a path in UTF-8");
    engine.docker(&["build", "--no-cache", "--quiet", "--tag", &image, path]);
    Ok((engine, image))
}

/// The container has the programs as they are built here, what they need, and the folder of the test.
fn in_container(group: Group, engine: &Engine, image: &str, limits: Limits) -> Group {
    let lent = ["/usr", "/bin", "/sbin", "/lib", "/lib64"].map(Path::new);
    let lent = lent.into_iter().filter(|path| path.exists()).chain([fateshare(), fixture()]);
    let mut options: Vec<String> =
        lent.map(|it| format!("--volume={0}:{0}:ro", it.display())).collect();
    if let Some(mebibytes) = limits.memory {
        options.push(format!("--memory={mebibytes}m --memory-swap={mebibytes}m"));
    }
    if let Some(count) = limits.processes {
        options.push(format!("--pids-limit={count}"));
    }
    let options = options.join(" ");
    let script = format!(
        "env >docker.env && exec docker run --rm --sig-proxy=false --network=host --ulimit=core=0 --env-file=docker.env \
         --volume=\"$PWD:$PWD\" --workdir=\"$PWD\" {options} {image} \"$@\""
    );
    let group = group.after_script(&script);
    match engine.host() {
        Some(host) => group.env("DOCKER_HOST", &host),
        None => group,
    }
}
