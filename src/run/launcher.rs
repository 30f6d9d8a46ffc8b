//! What a platform's launcher would tell the members: for local runs, where none has run.
//!
//! Facts: Cloud Foundry's buildpack launcher sets `HOME`, `TMPDIR` and `DEPS_DIR`, the platform the
//! rest. A member's own `env` wins over all of it.

use std::ffi::OsStr;
use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::inherited::{Changes, Inherited};
use super::probes::{USUAL_PORT, port_number};
use crate::core::Instance;
use crate::spec::{Launch, Platform};

/// The next life of an app's instance, after so many crashes: with a GUID of its own, unless one is
/// told. `app` and `version` stay as they are once they are known.
pub fn instance(before: Option<&Instance>, crashes: u32) -> Instance {
    let told = |name: &str| std::env::var(name).ok().filter(|guid| !guid.is_empty());
    let application = told("VCAP_APPLICATION");
    let application: Option<Value> = application.and_then(|it| serde_json::from_str(&it).ok());
    let known = |name: &str| Some(application.as_ref()?[name].as_str()?.to_owned());
    let app = || known("application_id").unwrap_or_else(guid);
    let version = || known("application_version").unwrap_or_else(guid);
    Instance {
        app: before.map_or_else(app, |before| before.app.clone()),
        version: before.map_or_else(version, |before| before.version.clone()),
        guid: told("CF_INSTANCE_GUID").or_else(|| told("INSTANCE_GUID")).unwrap_or_else(guid),
        crashes,
    }
}

/// Plays the launcher, unless one has run: then `VCAP_APPLICATION` is there, nothing is touched, and
/// no profile script runs again. The error is a sentence.
pub(super) fn play(
    launch: &mut Launch,
    inherited: &Inherited,
    port: Option<u16>,
    guid: &str,
) -> Result<(), String> {
    let Some(Platform::CloudFoundry { application }) = launch.platform.clone() else {
        return match port {
            Some(_) => {
                Err("--port is for Cloud Foundry's files: a launch spec has `env: {PORT: ...}`"
                    .to_owned())
            }
            None => Ok(()),
        };
    };
    let is_set = |name: &str| inherited.get(name).is_some_and(|value| !value.is_empty());
    if is_set("VCAP_APPLICATION") {
        launch.profile = None;
        return match port {
            Some(_) => Err(
                "--port: a launcher has run already (VCAP_APPLICATION is set), and has set PORT"
                    .to_owned(),
            ),
            None => Ok(()),
        };
    }
    if port.is_some() && launch.members[0].env.iter().any(|(name, _)| name == "PORT") {
        return Err("--port: the spec's `env` sets PORT itself, and wins".to_owned());
    }
    let port = match port {
        Some(0) => free_port().map_err(|error| format!("--port 0: no port is free: {error}"))?,
        Some(port) => port,
        None => own_port(inherited),
    };
    let main = &launch.members[0];
    let app = launch.profile.clone().or_else(|| main.working_dir.clone());
    // What is beside a directory is not told by its name where that ends in `..` or is a link.
    let app = app.map(|app| app.canonicalize().unwrap_or(app));
    // Of a process of which nothing is said, there is nothing to share.
    let memories = launch.members.iter().filter_map(|it| it.memory);
    let whole = main.memory.map_or(0, |_| memories.fold(0, u64::saturating_add));
    let kind = main.name.clone();
    for member in &mut launch.members {
        let memory = member.memory.unwrap_or(whole) >> 20;
        let mut told = Changes::new();
        let mut tell = |name: &str, value: String| told.push((name.to_owned(), Some(value)));
        directories(app.as_deref(), inherited, &mut tell);
        tell("LANG", "en_US.UTF-8".to_owned());
        tell("PORT", port.to_string());
        tell("VCAP_APP_PORT", port.to_string());
        let mut tell_unset = |name: &str, value: String| {
            if !is_set(name) {
                tell(name, value);
            }
        };
        let about = About { application: application.as_deref(), kind: &kind, guid, port };
        tell_unset("VCAP_APPLICATION", about.application(memory).to_string());
        tell_unset("VCAP_SERVICES", "{}".to_owned());
        tell_unset("VCAP_APP_HOST", "0.0.0.0".to_owned());
        if memory > 0 {
            tell_unset("MEMORY_LIMIT", format!("{memory}m"));
        }
        for (name, value) in about.instance() {
            tell_unset(name, value);
        }
        if let Some(uri) = inherited.get("VCAP_SERVICES").and_then(database) {
            tell_unset("DATABASE_URL", uri);
        }
        // It drives the credentials' store, and no app ever sees it.
        told.push(("VCAP_PLATFORM_OPTIONS".to_owned(), None));
        member.env.splice(0..0, told);
    }
    Ok(())
}

/// `HOME` is the app's directory. A `TMPDIR` that does not exist would break whoever uses it, so it is
/// the platform's only where that is there.
fn directories(app: Option<&Path>, inherited: &Inherited, tell: &mut impl FnMut(&str, String)) {
    let own = std::env::current_dir().ok();
    let Some(app) = app.map(Path::to_owned).or(own) else { return };
    let text = |path: PathBuf| path.to_string_lossy().into_owned();
    let beside = |name: &str| app.parent().unwrap_or(Path::new("/")).join(name);
    if beside("tmp").is_dir() {
        tell("TMPDIR", text(beside("tmp")));
    } else if inherited.get("TMPDIR").is_none() {
        tell("TMPDIR", "/tmp".to_owned());
    }
    tell("DEPS_DIR", text(beside("deps")));
    tell("HOME", text(app));
}

/// `$PORT`, if it is a port.
fn own_port(inherited: &Inherited) -> u16 {
    inherited.get("PORT").and_then(port_number).unwrap_or(USUAL_PORT)
}

/// A port that nobody listens on just now.
pub fn free_port() -> std::io::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::UNSPECIFIED, 0))?.local_addr()?.port())
}

/// A name for this instance, as random as the kernel's.
fn guid() -> String {
    let random = fs::read_to_string("/proc/sys/kernel/random/uuid").unwrap_or_default();
    let random = random.trim();
    if random.len() == 36 {
        return random.to_owned();
    }
    // Without /proc there is nothing to mix it up with.
    format!("00000000-0000-4000-8000-{:012}", crate::sys::process::own_pid().0)
}

/// What is told of the app's one instance.
struct About<'a> {
    application: Option<&'a str>,
    kind: &'a str,
    guid: &'a str,
    port: u16,
}

impl About<'_> {
    /// `VCAP_APPLICATION`, with what the launcher adds to it.
    fn application(&self, memory: u64) -> Value {
        let name = self.application.unwrap_or("app");
        json!({
            "application_name": name,
            "application_uris": [],
            "host": "0.0.0.0",
            "instance_id": self.guid,
            "instance_index": 0,
            "limits": {"mem": memory},
            "name": name,
            "port": self.port,
            "process_type": self.kind,
            "uris": [],
        })
    }

    /// The variables of the instance.
    fn instance(&self) -> [(&'static str, String); 9] {
        let port = self.port;
        let ports = json!([{"external": port, "internal": port}]);
        [
            ("INSTANCE_GUID", self.guid.to_owned()),
            ("INSTANCE_INDEX", "0".to_owned()),
            ("CF_INSTANCE_GUID", self.guid.to_owned()),
            ("CF_INSTANCE_INDEX", "0".to_owned()),
            ("CF_INSTANCE_IP", "127.0.0.1".to_owned()),
            ("CF_INSTANCE_INTERNAL_IP", "127.0.0.1".to_owned()),
            ("CF_INSTANCE_PORT", port.to_string()),
            ("CF_INSTANCE_ADDR", format!("127.0.0.1:{port}")),
            ("CF_INSTANCE_PORTS", ports.to_string()),
        ]
    }
}

/// `DATABASE_URL`: the first `credentials.uri` of a database's scheme, as Rails names these.
fn database(services: &OsStr) -> Option<String> {
    let services: Value = serde_json::from_str(services.to_str()?).ok()?;
    let bound = services.as_object()?.values().filter_map(Value::as_array).flatten();
    let mut uris = bound.filter_map(|service| service["credentials"]["uri"].as_str());
    uris.find_map(|uri| {
        let (scheme, rest) = uri.split_once(':')?;
        let scheme = match scheme {
            "mysql" | "mysql2" => "mysql2",
            "postgres" | "postgresql" => "postgres",
            _ => return None,
        };
        Some(format!("{scheme}:{rest}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_database_is_told_as_rails_names_it() {
        let services = |uris: &[&str]| {
            let bound: Vec<Value> =
                uris.iter().map(|uri| json!({"credentials": {"uri": uri}})).collect();
            database(OsStr::new(&json!({"user-provided": bound}).to_string()))
        };
        for (uris, url) in [
            (&["mysql://a/b"][..], Some("mysql2://a/b")),
            (&["mysql2://a/b"], Some("mysql2://a/b")),
            (&["amqp://x", "postgresql://a/b", "mysql://c"], Some("postgres://a/b")),
            (&["postgres://a"], Some("postgres://a")),
            (&["http://a"], None),
            (&[], None),
        ] {
            assert_eq!(services(uris).as_deref(), url, "{uris:?}");
        }
        for nonsense in ["", "[]", "{\"a\": 5}", "{\"a\": [{}]}", "{"] {
            assert_eq!(database(OsStr::new(nonsense)), None, "{nonsense}");
        }
    }
}
