//! What each fault is for the platform: whoever has started us, and whatever else runs beside us.

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use nix::sys::signal::Signal;

use crate::cell::{Around, Cell, name, strike};
use crate::limits;
use crate::support::{fixture, heavy, proc};
use crate::table::{Story, Where};

pub(crate) const LOSES_PATIENCE: Story = Story {
    means: "it asks us to stop, and kills us before the grace period is over",
    arrange: |scene| "take=TERM wait".clone_into(&mut scene.web),
    act: |cell| {
        cell.runs();
        cell.stop();
        cell.group.wait_for("web: got SIGTERM");
        cell.group.wait_for("config-server: ends 0");
        cell.group.wait_for("daemon: ends 0");
        let said = |text: &str| text.contains("; stopping web, config-server\n");
        cell.group.until("it is said", |group| said(&group.stderr()).then_some(()));
        let pid = cell.outermost();
        strike(pid, Signal::SIGKILL);
    },
};

pub(crate) const STOPS: Story = Story {
    means: "it asks us to stop",
    arrange: |_| {},
    act: |cell| {
        cell.runs();
        cell.stop();
    },
};

pub(crate) const PAUSES: Story = Story {
    means: "it stops every process with SIGSTOP, and continues them",
    arrange: |_| {},
    act: |cell| {
        cell.runs();
        let everybody = cell.everybody();
        for pid in &everybody {
            strike(*pid, Signal::SIGSTOP);
        }
        for pid in &everybody {
            cell.group.wait_state(*pid, 'T');
        }
        // Long enough for a timer to be late, if there were one.
        thread::sleep(Duration::from_millis(100));
        for pid in &everybody {
            strike(*pid, Signal::SIGCONT);
        }
        cell.stop();
    },
};

pub(crate) const CRASHES: Story = Story {
    means: "the process that has started us dies of SIGSEGV",
    arrange: |_| {},
    act: |cell| {
        cell.runs();
        let parent = match cell.stage.place {
            Where::Seccomp => {
                let is_client = |pid: &i32| name(*pid) == "docker";
                cell.group.until("the client", |it| it.processes().into_iter().find(is_client))
            }
            _ => proc::stat(cell.outermost()).expect("it runs").parent,
        };
        cell.around = Around::Dies;
        cell.group.until("it has died", |_| {
            let lives = proc::stat(parent).is_some_and(|stat| stat.state != 'Z');
            // Programs of Rust take the first one for a sign that their stack is too small.
            let _ = lives.then(|| strike(parent, Signal::SIGSEGV));
            (!lives).then_some(())
        });
        cell.stop();
    },
};

pub(crate) const EATS_BESIDE_US: Story = Story {
    means: "a process that it has put beside us uses up the memory, and the kernel kills it",
    arrange: |scene| scene.limits.memory = Some(64),
    act: |cell| {
        cell.runs();
        put_beside(cell, "memory", &["eat"]);
        let mut stranger = cell.strangers.0.pop().expect("it was put there");
        let status = stranger.wait().expect("its status");
        let killed = status.signal() == Some(9) || status.code() == Some(137);
        assert!(killed, "it was killed: {status}");
        cell.stop();
    },
};

pub(crate) const LEAVES_EARLY: Story = Story {
    means: "who has started us exits with 0 as soon as somebody runs",
    arrange: |scene| {
        scene.around.push("\"$@\" & until [ -s log ]; do sleep 0.02; done; exit 0");
    },
    act: |cell| {
        cell.around = Around::Leaves(0);
        cell.runs();
        has_left(cell);
        cell.stop();
    },
};

pub(crate) const LEAVES_LATER: Story = Story {
    means: "who has started us exits with 3 while the group runs",
    arrange: |scene| {
        scene.around.push("\"$@\" & until [ -e go ]; do sleep 0.02; done; exit 3");
    },
    act: |cell| {
        cell.around = Around::Leaves(3);
        cell.runs();
        cell.go();
        has_left(cell);
        cell.stop();
    },
};

pub(crate) const CLOSES_STDOUT: Story = Story {
    means: "it closes the pipe that our output goes to, and main writes two lines",
    arrange: |scene| {
        scene.stdout_is_a_pipe();
        "exit-on=TERM:7 until=go print=hello print=hello say=printed wait"
            .clone_into(&mut scene.web);
    },
    act: |cell| {
        cell.runs();
        cell.pipe.take().expect("it has one").close();
        cell.go();
        cell.group.wait_for("web: printed");
        cell.says = "2 lines";
        cell.stop();
    },
};

pub(crate) const READS_NOTHING: Story = Story {
    means: "it reads nothing of our output, which is full when main writes a line",
    arrange: |scene| {
        scene.stdout_is_a_pipe().fill();
        "exit-on=TERM:7 print=hello say=printed wait".clone_into(&mut scene.web);
    },
    act: |cell| {
        cell.runs();
        cell.group.wait_for("web: printed");
        cell.stop();
    },
};

pub(crate) const FORKS_BESIDE_US: Story = Story {
    means: "a process that it has put beside us takes all processes that the limit leaves",
    arrange: |scene| scene.limits.processes = Some(48),
    act: |cell| {
        cell.runs();
        cell.crowd = Some(heavy());
        put_beside(cell, "pids", &["take=TERM", "bomb"]);
        let group = limits::of(cell.fateshare(), "pids");
        cell.group.until("the limit is reached", |_| limits::is_full(&group).then_some(()));
        cell.stop();
    },
};

pub(crate) const LEAKS_INTO_US: Story = Story {
    means: "it leaves us 200 descriptors that it forgot to close; members get none of them",
    arrange: |scene| scene.inherits.push("exec $FIXTURE - before leak=200 exec \"$@\""),
    act: |cell| {
        cell.runs();
        let (fateshare, web) = (cell.fateshare(), cell.pid("web"));
        assert!(highest(fateshare) > 200, "we have them");
        assert!(highest(web) < 50, "members have what they opened");
        cell.stop();
    },
};

/// Until the shell is gone that has started us.
fn has_left(cell: &mut Cell<'_>) {
    cell.group.until("it is gone", |group| {
        (!group.processes().into_iter().any(|pid| name(pid) == "sh")).then_some(())
    });
}

/// A process's highest descriptor.
fn highest(pid: i32) -> i32 {
    let open = fs::read_dir(format!("/proc/{pid}/fd")).expect("it runs").flatten();
    let numbers = open.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    numbers.max().unwrap_or_default()
}

/// Starts a process that is none of the group's where our limits and our PID namespace are, as `docker exec` does.
pub(crate) fn put_beside(cell: &mut Cell<'_>, controller: &str, words: &[&str]) {
    let fateshare = cell.fateshare();
    let group = limits::of(fateshare, controller);
    let script = "echo 0 >$0/cgroup.procs && ulimit -c 0 && exec nsenter --pid --target \"$@\"";
    let stranger = Command::new("sh")
        .args([Path::new("-c"), Path::new(script), &group, Path::new(&fateshare.to_string())])
        .arg(fixture())
        .args(["-", "stranger"])
        .args(words)
        .stdin(Stdio::null())
        .spawn();
    cell.strangers.0.push(stranger.expect("a shell"));
}
