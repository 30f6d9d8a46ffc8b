//! `examples/kubernetes`: judged by the published schemas, and run as a kubelet runs it.

use std::process::Command;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::docker::{cannot_run, wait_until};
use crate::file;
use crate::kubelet::{Bare, Kubelet, Node, documents, text, words};
use crate::python::python_tool;

/// The releases whose schemas the manifests must pass: an old one, and the newest that the validator has.
const RELEASES: [&str; 2] = ["1.30", "1.37"];

fn signal(pid: i32, signal: Signal) {
    kill(Pid::from_raw(pid), signal).expect("it takes a signal");
}

fn node(test: &str) -> Option<Node> {
    Node::new().map_err(|why| cannot_run(test, &why)).ok()
}

#[test]
fn manifests_pass_the_published_schemas() {
    let validator = match python_tool("kubernetes-validate==1.37.0", "kubernetes-validate") {
        Ok(validator) => validator,
        Err(why) => return cannot_run("manifests_pass_the_published_schemas", &why),
    };
    let judge = |path: &str, release: &str| {
        let mut command = Command::new(&validator);
        command.args(["--strict", "--kubernetes-version", release, path]);
        let output = command.output().expect("the validator runs");
        (output.status.success(), String::from_utf8_lossy(&output.stdout).into_owned())
    };
    let path = |name: &str| file(&format!("kubernetes/{name}"));
    for release in RELEASES {
        for name in ["deployment.yml", "job.yml"] {
            let (good, said) = judge(&path(name), release);
            assert!(good && said.matches(" passed ").count() == 2, "{name}: {said}");
        }
    }
    let (good, said) = judge(&path("native-sidecars.yml"), RELEASES[1]);
    assert!(good, "{said}");
    // It tells a wrong one.
    let wrong = std::fs::read_to_string(path("job.yml")).expect("the manifest");
    let folder = tempfile::tempdir().expect("a folder");
    let wrong_path = folder.path().join("job.yml");
    std::fs::write(&wrong_path, wrong.replace("backoffLimit", "backOffLimit")).expect("a file");
    let (good, said) = judge(wrong_path.to_str().expect("UTF-8"), RELEASES[1]);
    assert!(!good && said.contains("backOffLimit"), "{said}");
}

#[test]
fn groups_have_a_second_less_than_their_pods() {
    for name in ["deployment.yml", "job.yml"] {
        let documents = documents(name);
        let spec = text(&documents[0], "/data/fateshare.yml");
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("fateshare.yml");
        std::fs::write(&path, spec).expect("a file");
        let checked = Command::new(env!("CARGO_BIN_EXE_fateshare"))
            .arg("check")
            .arg(&path)
            .output()
            .expect("fateshare check");
        let said = String::from_utf8_lossy(&checked.stdout).into_owned();
        assert!(checked.status.success(), "{said}");
        let pod = "/spec/template/spec/terminationGracePeriodSeconds";
        let seconds: u32 = text(&documents[1], pod).parse().expect("a number");
        assert!(said.contains(&format!("SIGKILL after {}s", seconds - 1)), "{name}: {said}");
    }
}

#[test]
fn a_pod_lives_and_ends_as_its_manifest_says() {
    let Some(node) = node("a_pod_lives_and_ends_as_its_manifest_says") else { return };
    let mut kubelet = Kubelet::new(&node, "deployment.yml", |spec| spec);
    kubelet.start();
    kubelet.wait_probe("readinessProbe", 200);
    kubelet.wait_probe("livenessProbe", 200);
    let shown = kubelet.exec(&["/fateshare", "ps"]);
    assert!(shown.ok && shown.stdout.starts_with("running "), "{shown:?}");

    // A config server that hangs: no traffic for this pod, and no restart.
    let config_server = kubelet.pid("/config-server");
    signal(config_server, Signal::SIGSTOP);
    kubelet.wait_probe("readinessProbe", 503);
    kubelet.wait_probe("livenessProbe", 200);
    signal(config_server, Signal::SIGCONT);
    kubelet.wait_probe("readinessProbe", 200);

    // One that is killed: the container ends, and the next one is ready again.
    signal(config_server, Signal::SIGKILL);
    let ended = kubelet.terminated();
    assert_eq!(ended.code, "137");
    let verdict = ended.message.lines().next().unwrap_or_default();
    assert!(verdict.starts_with("config-server (pid "), "{ended:?}");
    assert!(
        verdict.ends_with(") was killed by SIGKILL, not by fateshare; stopping web"),
        "{ended:?}"
    );
    kubelet.start();
    kubelet.wait_probe("readinessProbe", 200);

    // A rollout or a drain.
    kubelet.terminate();
    let ended = kubelet.terminated();
    assert_eq!(ended.code, "0", "{ended:?}");
    assert!(
        ended.message.starts_with("SIGTERM from outside this container; stopping "),
        "{ended:?}"
    );

    // Everything at once, as where memory.oom.group is set: nobody is left who could say why.
    kubelet.start();
    kubelet.wait_probe("readinessProbe", 200);
    kubelet.docker(&["kill", "--signal=KILL"]);
    let ended = kubelet.terminated();
    assert_eq!((ended.code.as_str(), ended.message.as_str()), ("137", ""));
}

#[test]
fn who_does_not_stop_is_killed_before_the_kubelet_has_to() {
    let Some(node) = node("who_does_not_stop_is_killed_before_the_kubelet_has_to") else {
        return;
    };
    // The config server is told to stop in a way that it does not know.
    let mut kubelet = Kubelet::new(&node, "deployment.yml", |spec| {
        let told = "name: config-server\n    stop_signal: SIGURG\n";
        let spec = spec.replace("grace_period: 29s", "grace_period: 5s");
        spec.replace("name: config-server\n", told)
    });
    kubelet.start();
    kubelet.wait_probe("readinessProbe", 200);
    kubelet.terminate();
    let logs = kubelet.logs();
    let ended = kubelet.terminated();
    assert_eq!(ended.code, "0", "main's own, which stopped: {ended:?}");
    assert!(ended.message.contains("config-server did not stop within 5s: SIGKILL"), "{ended:?}");
    assert!(logs.contains("fateshare: ended in "), "it had the last word: {logs}");
}

#[test]
fn a_job_is_complete_when_its_main_process_is() {
    let Some(node) = node("a_job_is_complete_when_its_main_process_is") else { return };
    let mut kubelet = Kubelet::new(&node, "job.yml", |spec| spec);
    kubelet.start();
    wait_until("the first step", || kubelet.logs().contains("app: step 1 of 5 done"));
    let ended = kubelet.terminated();
    assert_eq!(ended.code, "0", "{ended:?}");
    let verdict = ended.message.lines().next().unwrap_or_default();
    assert!(verdict.ends_with(") exited with 0; stopping config-server"), "{ended:?}");

    // One that takes its time is interrupted: it does not look finished.
    let mut kubelet = Kubelet::new(&node, "job.yml", |spec| spec.replace("\"5\"", "\"1000\""));
    kubelet.start();
    wait_until("the first step", || kubelet.logs().contains("app: step 1 of 1000 done"));
    // Its sidecar runs, and would run for ever.
    let _ = kubelet.pid("/config-server");
    kubelet.terminate();
    let ended = kubelet.terminated();
    assert_eq!(ended.code, "143", "{ended:?}");

    // Its sidecar ended: it failed.
    kubelet.start();
    wait_until("the first step", || kubelet.logs().contains("app: step 1 of 1000 done"));
    // Its sidecar runs, and would run for ever.
    let _ = kubelet.pid("/config-server");
    signal(kubelet.pid("/config-server"), Signal::SIGKILL);
    let ended = kubelet.terminated();
    assert_eq!(ended.code, "137", "{ended:?}");
}

/// The comparison: each member a container of its own, as in a pod, and nobody who shares fate.
#[test]
fn beside_a_native_sidecar_the_app_is_not_told() {
    let Some(node) = node("beside_a_native_sidecar_the_app_is_not_told") else { return };
    let pod = documents("native-sidecars.yml")[0]["spec"]["template"]["spec"].clone();
    let sidecar = Bare::start(&node, &pod, "/initContainers/0", None);
    let probe = &pod["initContainers"][0]["startupProbe"]["exec"]["command"];
    wait_until("the sidecar to have started", || sidecar.exec(&words(probe)).ok);
    let app = Bare::start(&node, &pod, "/containers/0", Some(&sidecar));
    // Asked from within: the network is the sidecar's.
    let ready = ["/sidecar-dependent-app", "--job", "1"];
    assert!(app.exec(&ready).ok);
    sidecar.kill();
    assert!(!app.exec(&["/sidecar-dependent-app", "--job", "1"]).ok, "its sidecar is gone");
    assert!(app.runs() && !app.logs().contains("app: stopped"), "{}", app.logs());
}
