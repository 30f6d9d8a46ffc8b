//! A browser for a test: Chromium without a window, spoken to over a pipe.

use std::env;
use std::fs;
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;
use serde_json::{Value, json};
use tempfile::TempDir;

/// What it is called, here or there.
const NAMES: [&str; 3] = ["chromium", "chromium-browser", "google-chrome"];
/// How long the browser may take for anything. Only a broken one ever does.
const LIMIT: Duration = Duration::from_secs(40);
/// Its processes carry this, with the path of their folder.
const MARK: &str = "FATESHARE_TEST_BROWSER";

/// Says that a test cannot run on this machine, and fails it where every test has to run.
fn cannot_run(why: &str) {
    let required = env::var("FATESHARE_TEST_REQUIRE_ALL").is_ok_and(|value| value == "1");
    assert!(!required, "cannot run here: {why}");
    let test = thread::current().name().unwrap_or("a test").to_owned();
    // Not `eprintln!`: what that writes is shown for failed tests only.
    let _ = writeln!(io::stderr(), "{test}: cannot run here: {why}");
}

/// A browser with one page. With it end its processes and its folder.
pub(crate) struct Browser {
    child: Child,
    pipe: UnixStream,
    read: Vec<u8>,
    calls: u64,
    session: Option<String>,
    /// What it has told by itself since the last page was opened.
    told: Vec<Value>,
    folder: TempDir,
}

impl Browser {
    /// One that answers; `None`, which is said, where there is none.
    pub(crate) fn start() -> Option<Self> {
        let path = env::var_os("PATH").unwrap_or_default();
        let places: Vec<PathBuf> = env::split_paths(&path).collect();
        let mut programs =
            NAMES.iter().flat_map(|name| places.iter().map(move |place| place.join(name)));
        let Some(program) = programs.find(|it| it.is_file()) else {
            cannot_run("there is no Chromium");
            return None;
        };
        let mut browser = Self::spawn(&program);
        let targets = browser.call("Target.getTargets", &json!({}));
        let targets = targets["targetInfos"].as_array().expect("targets");
        let page = targets.iter().find(|it| it["type"] == "page").expect("a page");
        let attach = json!({"targetId": page["targetId"], "flatten": true});
        let attached = browser.call("Target.attachToTarget", &attach);
        browser.session = Some(attached["sessionId"].as_str().expect("a session").to_owned());
        for domain in ["Page", "Runtime", "Log", "Network", "Accessibility"] {
            browser.call(&format!("{domain}.enable"), &json!({}));
        }
        Some(browser)
    }

    fn spawn(program: &Path) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let (pipe, theirs) = UnixStream::pair().expect("a pair of sockets");
        pipe.set_read_timeout(Some(LIMIT)).expect("a limit");
        let errors = fs::File::create(folder.path().join("stderr")).expect("a file");
        let child = Command::new("sh")
            // It reads from descriptor 3 and writes to descriptor 4.
            .args(["-c", "exec \"$0\" \"$@\" 3<&0 4>&0 0</dev/null"])
            .arg(program)
            .args([
                "--headless",
                "--no-sandbox",
                "--disable-gpu",
                "--disable-quic",
                "--no-first-run",
            ])
            .args(["--disable-background-networking", "--disable-component-update"])
            .args(["--disable-sync", "--disable-dev-shm-usage", "--remote-debugging-pipe"])
            .arg(format!("--user-data-dir={}", folder.path().join("profile").display()))
            .arg("about:blank")
            .env(MARK, folder.path())
            .env("HOME", folder.path())
            .env("TMPDIR", folder.path())
            .stdin(Stdio::from(OwnedFd::from(theirs)))
            .stdout(Stdio::null())
            .stderr(Stdio::from(errors))
            .process_group(0)
            .spawn()
            .expect("a shell");
        Self { child, pipe, read: Vec::new(), calls: 0, session: None, told: Vec::new(), folder }
    }

    /// Asks it to do something, and waits for the answer.
    #[track_caller]
    pub(crate) fn call(&mut self, method: &str, params: &Value) -> Value {
        self.calls += 1;
        let mut message = json!({"id": self.calls, "method": method, "params": params});
        if let Some(session) = &self.session {
            message["sessionId"] = json!(session);
        }
        let mut bytes = message.to_string().into_bytes();
        bytes.push(0);
        if let Err(error) = self.pipe.write_all(&bytes) {
            panic!("{method}: {error}: {}", self.errors());
        }
        loop {
            let mut answer = self.next();
            if answer["id"] == self.calls {
                assert!(answer["error"].is_null(), "{method}: {}", answer["error"]);
                return answer["result"].take();
            }
            self.told.push(answer);
        }
    }

    #[track_caller]
    fn next(&mut self) -> Value {
        loop {
            if let Some(end) = self.read.iter().position(|byte| *byte == 0) {
                let message: Vec<u8> = self.read.drain(..=end).collect();
                return serde_json::from_slice(&message[..end]).expect("JSON");
            }
            let mut buffer = vec![0; 1 << 16];
            match self.pipe.read(&mut buffer) {
                Ok(0) => panic!("Chromium ended: {}", self.errors()),
                Ok(count) => self.read.extend_from_slice(&buffer[..count]),
                Err(error) => panic!("Chromium says nothing: {error}: {}", self.errors()),
            }
        }
    }

    fn errors(&self) -> String {
        fs::read_to_string(self.folder.path().join("stderr")).unwrap_or_default()
    }

    /// Opens a page of this text, of a file of its own, and waits until it is there.
    #[track_caller]
    pub(crate) fn open(&mut self, html: &str) {
        let path = self.folder.path().join("page.html");
        fs::write(&path, html).expect("the page is written");
        self.told.clear();
        self.call("Page.navigate", &json!({"url": format!("file://{}", path.display())}));
        while !self.told.iter().any(|it| it["method"] == "Page.loadEventFired") {
            let told = self.next();
            self.told.push(told);
        }
    }

    /// How wide the screen is, and which colours it asks for; or paper, with `"print"`.
    #[track_caller]
    pub(crate) fn look(&mut self, width: u32, media: &str, scheme: &str) {
        let phone = width < 600;
        let size = json!({"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": phone});
        self.call("Emulation.setDeviceMetricsOverride", &size);
        let scheme = json!([{"name": "prefers-color-scheme", "value": scheme}]);
        let media = json!({"media": media, "features": scheme});
        self.call("Emulation.setEmulatedMedia", &media);
    }

    /// What an expression is on the page. The probe is the test's alone; the page runs no script.
    #[track_caller]
    pub(crate) fn ask(&mut self, expression: &str) -> Value {
        let asked = json!({"expression": expression, "returnByValue": true});
        let answer = self.call("Runtime.evaluate", &asked);
        assert!(answer["exceptionDetails"].is_null(), "{}", answer["exceptionDetails"]);
        answer["result"]["value"].clone()
    }

    /// Complaints since the page was opened, and requests for anything but it.
    pub(crate) fn complaints(&self) -> Vec<String> {
        let complaint = |told: &Value| match told["method"].as_str().unwrap_or_default() {
            "Log.entryAdded" | "Runtime.consoleAPICalled" | "Runtime.exceptionThrown" => {
                Some(told["params"].to_string())
            }
            "Network.requestWillBeSent" => {
                let url = told["params"]["request"]["url"].as_str().unwrap_or_default();
                (!url.ends_with("/page.html")).then(|| format!("it asks for {url}"))
            }
            _ => None,
        };
        self.told.iter().filter_map(complaint).collect()
    }

    /// Every process that carries our mark.
    fn processes(&self) -> Vec<Pid> {
        let mark = format!("{MARK}={}\0", self.folder.path().display()).into_bytes();
        let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
        let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
        let ours = pids.filter(|pid| {
            let environ = fs::read(PathBuf::from(format!("/proc/{pid}/environ")));
            environ.is_ok_and(|it| it.windows(mark.len()).any(|window| window == mark))
        });
        ours.map(Pid::from_raw).collect()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let leader = i32::try_from(self.child.id()).map(Pid::from_raw).expect("a process number");
        // It is asked first, because it reaps its helpers; one that is killed leaves them as zombies.
        let asked = self.pipe.write_all(b"{\"id\": 0, \"method\": \"Browser.close\"}\0").is_ok();
        let began = Instant::now();
        while asked && began.elapsed() < LIMIT / 8 && matches!(self.child.try_wait(), Ok(None)) {
            thread::sleep(Duration::from_millis(10));
        }
        let _ = killpg(leader, Signal::SIGKILL);
        let _ = self.child.wait();
        // Helpers may lead groups of their own.
        let began = Instant::now();
        loop {
            let left = self.processes();
            if left.is_empty() {
                return;
            }
            if began.elapsed() > LIMIT {
                assert!(thread::panicking(), "Chromium's processes do not end: {left:?}");
                return;
            }
            for pid in left {
                let _ = kill(pid, Signal::SIGKILL);
            }
            thread::sleep(Duration::from_millis(10));
        }
    }
}
