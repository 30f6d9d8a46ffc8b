//! A pod of one container, run as a kubelet runs it: what its manifest says, done with a Docker Engine.

use std::fs::{self, Permissions};
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use nix::unistd::geteuid;
use serde::Deserialize;
use serde_json::Value;
use tempfile::TempDir;

use crate::docker::{Engine, Said, wait_until};
use crate::{IMAGE, example, file};

/// The documents of a file of `examples/kubernetes`.
pub(crate) fn documents(name: &str) -> Vec<Value> {
    let path = file(&format!("kubernetes/{name}"));
    let text = fs::read_to_string(path).expect("the manifest");
    serde_yaml::Deserializer::from_str(&text)
        .map(|document| Value::deserialize(document).expect("YAML"))
        .collect()
}

/// The text at a path such as `/spec/replicas`, whatever it is.
pub(crate) fn text(value: &Value, pointer: &str) -> String {
    match value.pointer(pointer) {
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
        None => panic!("{pointer} is missing in {value:#}"),
    }
}

/// The machine: an engine, and the examples' image in it under a name of its own, removed when dropped.
pub(crate) struct Node {
    engine: Engine,
    image: String,
    /// One test at a time: two engines of our own would take each other's network away.
    _one: MutexGuard<'static, ()>,
}

impl Node {
    pub(crate) fn new() -> Result<Self, String> {
        static ONE: Mutex<()> = Mutex::new(());
        if !geteuid().is_root() {
            return Err("to signal the processes of a container takes root".to_owned());
        }
        let one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
        let engine = Engine::find().map_err(|why| format!("no Docker Engine: {why}"))?;
        let node = Self { engine, image: unique("image"), _one: one };
        node.engine.docker(&["build", "--quiet", "--tag", &node.image, example::context()]);
        Ok(node)
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.engine.docker_said(&["rmi", "--force", &self.image]);
    }
}

/// A name that no other test has.
fn unique(what: &str) -> String {
    static NEXT: AtomicU32 = AtomicU32::new(1);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    format!("fateshare-pod-{what}-{}-{number}", process::id())
}

/// What runs one container of a pod again and again.
pub(crate) struct Kubelet<'n> {
    node: &'n Node,
    /// `spec.template.spec`, and its one container.
    pod: Value,
    container: Value,
    folder: TempDir,
    /// The name of the container that was made last.
    name: String,
}

/// How a container ended.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Terminated {
    pub(crate) code: String,
    /// The termination message, from which `kubectl describe pod` shows why.
    pub(crate) message: String,
}

impl<'n> Kubelet<'n> {
    /// The pod of a Deployment or a Job, with the files of its `ConfigMap` as `edit` leaves them.
    pub(crate) fn new(node: &'n Node, manifest: &str, edit: impl Fn(String) -> String) -> Self {
        let documents = documents(manifest);
        let pod = documents[1]["spec"]["template"]["spec"].clone();
        let containers = pod["containers"].as_array().expect("containers");
        assert_eq!(containers.len(), 1);
        assert_eq!(containers[0]["image"], IMAGE);
        let folder = tempfile::tempdir().expect("a folder for the volumes");
        for (name, contents) in documents[0]["data"].as_object().expect("files") {
            let contents = edit(contents.as_str().expect("text").to_owned());
            fs::write(folder.path().join(name), contents).expect("a file");
        }
        // Other users go through it.
        fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).expect("its mode");
        let container = containers[0].clone();
        Self { node, pod, container, folder, name: String::new() }
    }

    fn termination_message(&self) -> PathBuf {
        self.folder.path().join(format!("{}-termination-log", self.name))
    }

    /// Starts the container, in place of the one before.
    pub(crate) fn start(&mut self) {
        self.name = unique(&text(&self.container, "/name"));
        let message = self.termination_message();
        fs::write(&message, "").expect("a file");
        fs::set_permissions(&message, Permissions::from_mode(0o666)).expect("its mode");
        let security = &self.container["securityContext"];
        assert_eq!(security["readOnlyRootFilesystem"], true);
        assert_eq!(security["allowPrivilegeEscalation"], false);
        assert_eq!(security["capabilities"]["drop"][0], "ALL");
        // RuntimeDefault is what Docker takes by itself.
        assert_eq!(self.pod["securityContext"]["seccompProfile"]["type"], "RuntimeDefault");
        let mut args = vec!["run".to_owned(), "--detach".to_owned(), "--read-only".to_owned()];
        args.push("--security-opt=no-new-privileges".to_owned());
        args.push("--cap-drop=ALL".to_owned());
        args.push(format!("--name={}", self.name));
        let user = |it| text(&self.pod, &format!("/securityContext/runAs{it}"));
        args.push(format!("--user={}:{}", user("User"), user("Group")));
        let memory = text(&self.container, "/resources/limits/memory").replace("Mi", "m");
        args.push(format!("--memory={memory}"));
        for variable in self.container["env"].as_array().into_iter().flatten() {
            args.push(format!("--env={}={}", text(variable, "/name"), text(variable, "/value")));
        }
        for port in self.container["ports"].as_array().into_iter().flatten() {
            args.push(format!("--publish=127.0.0.1::{}", port["containerPort"]));
        }
        for mount in self.container["volumeMounts"].as_array().expect("mounts") {
            let source = self.folder.path().join(text(mount, "/subPath"));
            let target = text(mount, "/mountPath");
            args.push(format!("--volume={}:{target}:ro", source.display()));
        }
        args.push(format!("--volume={}:/dev/termination-log", message.display()));
        args.push(self.node.image.clone());
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        self.node.engine.docker(&args);
    }

    /// The status of a probe of the container, such as `readinessProbe`.
    pub(crate) fn probe(&self, probe: &str) -> Option<u16> {
        let get = &self.container[probe]["httpGet"];
        let ports = self.container["ports"].as_array().expect("ports");
        let port = ports.iter().find(|it| it["name"] == get["port"]).expect("a port of this name");
        let port = format!("{}/tcp", port["containerPort"]);
        let said = self.node.engine.docker_said(&["port", &self.name, &port]);
        let address: SocketAddr = said.stdout.lines().next()?.parse().ok()?;
        self::get(address, get["path"].as_str().expect("a path")).ok()
    }

    #[track_caller]
    pub(crate) fn wait_probe(&self, probe: &str, status: u16) {
        wait_until(&format!("{probe} to be {status}"), || self.probe(probe) == Some(status));
    }

    /// The numbers of the processes with this command, as this machine knows them.
    pub(crate) fn pid(&self, command: &str) -> i32 {
        let top = self.node.engine.docker(&["top", &self.name, "-eo", "pid,args"]);
        let line = top.lines().skip(1).filter_map(|line| line.trim().split_once(' '));
        let (pid, _) = line
            .clone()
            .find(|(_, it)| it.trim() == command)
            .unwrap_or_else(|| panic!("no {command} in {top}"));
        pid.parse().expect("a number")
    }

    /// SIGTERM, the pod's grace period, SIGKILL.
    pub(crate) fn terminate(&self) {
        let seconds = text(&self.pod, "/terminationGracePeriodSeconds");
        self.node.engine.docker(&["stop", "-t", &seconds, &self.name]);
    }

    pub(crate) fn docker(&self, args: &[&str]) {
        self.node.engine.docker(&[args, &[&self.name]].concat());
    }

    pub(crate) fn exec(&self, command: &[&str]) -> Said {
        self.node.engine.docker_said(&[&["exec", &self.name], command].concat())
    }

    pub(crate) fn logs(&self) -> String {
        let said = self.node.engine.docker_said(&["logs", &self.name]);
        said.stdout + &said.stderr
    }

    /// Waits for the end, and removes the container.
    pub(crate) fn terminated(&self) -> Terminated {
        let inspect = |format: &str| {
            let value = self.node.engine.docker(&["inspect", "--format", format, &self.name]);
            value.trim().to_owned()
        };
        wait_until("the container to end", || inspect("{{.State.Status}}") == "exited");
        let code = inspect("{{.State.ExitCode}}");
        let message = fs::read_to_string(self.termination_message()).expect("the message");
        assert!(message.len() <= 4096, "the kubelet reads no more: {}", message.len());
        self.node.engine.docker(&["rm", &self.name]);
        Terminated { code, message }
    }
}

impl Drop for Kubelet<'_> {
    fn drop(&mut self) {
        self.node.engine.docker_said(&["rm", "--force", "--volumes", &self.name]);
    }
}

/// The words of a command in a manifest.
pub(crate) fn words(command: &Value) -> Vec<&str> {
    let words = command.as_array().expect("a list").iter();
    words.map(|word| word.as_str().expect("text")).collect()
}

/// A container of a pod of several.
pub(crate) struct Bare<'n> {
    node: &'n Node,
    name: String,
}

impl<'n> Bare<'n> {
    /// Starts what stands there in the pod, in the network of another container of it.
    pub(crate) fn start(node: &'n Node, pod: &Value, place: &str, beside: Option<&Self>) -> Self {
        let container = pod.pointer(place).expect("a container");
        let this = Self { node, name: unique(&text(container, "/name")) };
        let user = format!("--user={}", text(pod, "/securityContext/runAsUser"));
        let network = beside.map(|it| format!("--network=container:{}", it.name));
        let command = words(&container["command"]);
        let variables = container["env"].as_array().into_iter().flatten();
        let variables: Vec<String> = variables
            .map(|it| format!("--env={}={}", text(it, "/name"), text(it, "/value")))
            .collect();
        let entrypoint = format!("--entrypoint={}", command[0]);
        let mut args = vec!["run", "--detach", "--name", &this.name, &user, &entrypoint];
        args.extend(network.as_deref());
        args.extend(variables.iter().map(String::as_str));
        args.push(&node.image);
        args.extend(&command[1..]);
        node.engine.docker(&args);
        this
    }

    pub(crate) fn exec(&self, command: &[&str]) -> Said {
        self.node.engine.docker_said(&[&["exec", &self.name], command].concat())
    }

    pub(crate) fn kill(&self) {
        self.node.engine.docker(&["kill", &self.name]);
    }

    pub(crate) fn runs(&self) -> bool {
        let said = self.node.engine.docker(&["inspect", "--format={{.State.Running}}", &self.name]);
        said.trim() == "true"
    }

    pub(crate) fn logs(&self) -> String {
        self.node.engine.docker(&["logs", &self.name])
    }
}

impl Drop for Bare<'_> {
    fn drop(&mut self) {
        self.node.engine.docker_said(&["rm", "--force", "--volumes", &self.name]);
    }
}

/// The status of a GET.
fn get(address: SocketAddr, path: &str) -> io::Result<u16> {
    let mut server = TcpStream::connect_timeout(&address, Duration::from_secs(1))?;
    server.set_read_timeout(Some(Duration::from_secs(1)))?;
    write!(server, "GET {path} HTTP/1.1\r\nHost: pod\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    server.read_to_string(&mut answer)?;
    let status = answer.split(' ').nth(1).unwrap_or_default();
    status.parse().map_err(io::Error::other)
}
