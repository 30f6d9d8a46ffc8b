//! What a platform's launcher would tell the members, where none has run.

use std::collections::BTreeMap;

use crate::support::{Ended, Group, Mode, Shell, in_both_modes};

in_both_modes![
    members_are_told_what_the_launcher_tells,
    memory_is_told_by_share,
    without_a_share_for_main_there_is_none,
    what_is_set_stays,
    where_a_launcher_has_run_nothing_is_touched,
    a_free_port_is_taken,
    a_directory_for_temporary_files_is_told_where_it_is,
    a_members_own_variables_win,
    a_database_is_told,
    without_a_platform_nothing_is_told,
    a_port_needs_a_platform,
    sidecars_on_the_platform_are_warned_of,
    what_the_platform_would_say_stands_under_the_verdict,
];

/// Main prints its environment and ends; the sidecar does before it waits.
fn told(mode: Mode) -> Group {
    Group::new(mode)
        .main("web", Shell("env; until [ -e done ]; do sleep 0.01; done; exit 3"))
        .sidecar("config-server", Shell("env > sidecar; touch done; exec sleep 60"))
        .top("platform: cloudfoundry")
        .top("application: shop")
        .top("profile: .")
}

/// What main was told.
fn of_main(ended: &Ended) -> BTreeMap<String, String> {
    variables(&ended.stdout)
}

fn variables(text: &str) -> BTreeMap<String, String> {
    let pairs = text.lines().filter_map(|line| line.split_once('='));
    pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

fn members_are_told_what_the_launcher_tells(mode: Mode) {
    let group = told(mode);
    let dir = group.dir().to_str().expect("UTF-8").to_owned();
    let ended = group.start().end();
    ended.code(3);
    let told = of_main(&ended);
    let beside = dir.rsplit_once('/').expect("a path").0.to_owned();
    let guid = told["CF_INSTANCE_GUID"].clone();
    assert_eq!(guid.len(), 36, "{ended}");
    for (name, value) in [
        ("HOME", dir.as_str()),
        ("DEPS_DIR", &format!("{beside}/deps")),
        ("LANG", "en_US.UTF-8"),
        ("PORT", "8080"),
        ("VCAP_APP_PORT", "8080"),
        ("VCAP_APP_HOST", "0.0.0.0"),
        ("VCAP_SERVICES", "{}"),
        ("INSTANCE_GUID", &guid),
        ("INSTANCE_INDEX", "0"),
        ("CF_INSTANCE_INDEX", "0"),
        ("CF_INSTANCE_IP", "127.0.0.1"),
        ("CF_INSTANCE_INTERNAL_IP", "127.0.0.1"),
        ("CF_INSTANCE_PORT", "8080"),
        ("CF_INSTANCE_ADDR", "127.0.0.1:8080"),
        ("CF_INSTANCE_PORTS", r#"[{"external":8080,"internal":8080}]"#),
    ] {
        assert_eq!(told.get(name).map(String::as_str), Some(value), "{name}\n{ended}");
    }
    let about: serde_json::Value = serde_json::from_str(&told["VCAP_APPLICATION"]).expect("JSON");
    assert_eq!(about["application_name"], "shop");
    assert_eq!(about["name"], "shop");
    assert_eq!(about["process_type"], "web");
    assert_eq!(about["port"], 8080);
    assert_eq!(about["host"], "0.0.0.0");
    assert_eq!(about["instance_index"], 0);
    assert_eq!(about["instance_id"], guid);
}

/// As on the platform: the app has what its sidecars leave of it, a sidecar its own.
fn memory_is_told_by_share(mode: Mode) {
    let ended = Group::new(mode)
        .main("web", Shell("echo main=$MEMORY_LIMIT; echo $VCAP_APPLICATION; until [ -e a ] && [ -e b ]; do sleep 0.01; done; exit 3"))
        .key("memory: 768M")
        .sidecar("config-server", Shell("echo own=$MEMORY_LIMIT; touch a; exec sleep 60"))
        .key("memory: 256M")
        .sidecar("other", Shell("echo none=$MEMORY_LIMIT; touch b; exec sleep 60"))
        .top("platform: cloudfoundry")
        .start()
        .end();
    ended.code(3);
    for line in ["main=768m", "own=256m", "none=1024m"] {
        assert!(ended.stdout.lines().any(|it| it == line), "{line}\n{ended}");
    }
    assert!(ended.stdout.contains(r#""limits":{"mem":768}"#), "{ended}");
}

fn without_a_share_for_main_there_is_none(mode: Mode) {
    let ended = Group::new(mode)
        .main(
            "web",
            Shell("echo main=${MEMORY_LIMIT-none}; until [ -e a ]; do sleep 0.01; done; exit 3"),
        )
        .sidecar("config-server", Shell("echo own=$MEMORY_LIMIT; touch a; exec sleep 60"))
        .key("memory: 64M")
        .top("platform: cloudfoundry")
        .start()
        .end();
    for line in ["main=none", "own=64m"] {
        assert!(ended.stdout.lines().any(|it| it == line), "{line}\n{ended}");
    }
}

fn what_is_set_stays(mode: Mode) {
    let ended = told(mode)
        .env("PORT", "9090")
        .env("VCAP_SERVICES", r#"{"a":[]}"#)
        .env("CF_INSTANCE_INDEX", "4")
        .env("LANG", "de_DE.UTF-8")
        .env("VCAP_PLATFORM_OPTIONS", "{}")
        .env("HOME", "/root")
        .start()
        .end();
    let told = of_main(&ended);
    assert_eq!(told["PORT"], "9090", "{ended}");
    assert_eq!(told["CF_INSTANCE_ADDR"], "127.0.0.1:9090");
    assert_eq!(told["VCAP_SERVICES"], r#"{"a":[]}"#);
    assert_eq!(told["CF_INSTANCE_INDEX"], "4");
    assert_eq!(told.get("VCAP_PLATFORM_OPTIONS"), None);
    // The launcher sets these whatever they were.
    assert_eq!(told["LANG"], "en_US.UTF-8");
    assert!(told["HOME"].contains("fateshare-test-"), "{ended}");
}

fn where_a_launcher_has_run_nothing_is_touched(mode: Mode) {
    let ended = told(mode)
        .env("VCAP_APPLICATION", "{}")
        .env("MEMORY_LIMIT", "64m")
        .file(".profile", "export AGAIN=yes\n")
        .start()
        .end();
    ended.code(3);
    let told = of_main(&ended);
    assert_eq!(told["VCAP_APPLICATION"], "{}");
    assert_eq!(told["MEMORY_LIMIT"], "64m");
    for name in ["PORT", "HOME", "TMPDIR", "DEPS_DIR", "CF_INSTANCE_GUID", "AGAIN"] {
        assert_eq!(told.get(name), None, "{name}\n{ended}");
    }
}

fn a_free_port_is_taken(mode: Mode) {
    let ended = told(mode).env("PORT", "9090").arguments(&["--port", "0"]).start().end();
    let told = of_main(&ended);
    let port: u16 = told["PORT"].parse().expect("a port");
    assert!(port > 1024 && port != 9090, "{ended}");
    assert_eq!(told["CF_INSTANCE_PORT"], told["PORT"]);
    let ended = self::told(mode).arguments(&["--port", "5000"]).start().end();
    assert_eq!(of_main(&ended)["PORT"], "5000");
}

fn a_directory_for_temporary_files_is_told_where_it_is(mode: Mode) {
    let group = |app: &str| {
        let group = told(mode);
        std::fs::create_dir_all(group.dir().join("app")).expect("a directory");
        let group = group.main("web", Shell("env; exit 3")).key(&format!("working_dir: {app}"));
        Group::top(group, "shell: [/bin/sh, -c]")
    };
    let with = group("app").file(
        "spec.yml",
        "main: {command: 'env; exit 3', working_dir: app}\nplatform: cloudfoundry\nprofile: app\n",
    );
    std::fs::create_dir_all(with.dir().join("tmp")).expect("a directory");
    let tmp = with.dir().join("tmp").to_str().expect("UTF-8").to_owned();
    let ended = with.bare(&["run", "spec.yml"]).start().end();
    assert_eq!(of_main(&ended)["TMPDIR"], tmp, "{ended}");
    let without = group("app").file(
        "spec.yml",
        "main: {command: 'env; exit 3', working_dir: app}\nplatform: cloudfoundry\nprofile: app\n",
    );
    let ended = without.bare(&["run", "spec.yml"]).start().end();
    assert_eq!(of_main(&ended)["TMPDIR"], "/tmp", "one that is not there would break programs");
}

fn a_members_own_variables_win(mode: Mode) {
    let ended = told(mode).top("env: {PORT: 7000, CF_INSTANCE_IP: 10.0.0.1}").start().end();
    let told = of_main(&ended);
    assert_eq!((told["PORT"].as_str(), told["CF_INSTANCE_IP"].as_str()), ("7000", "10.0.0.1"));
}

fn a_database_is_told(mode: Mode) {
    let services = r#"{"p-mysql":[{"credentials":{"uri":"mysql://u:p@h/db"}}]}"#;
    let ended = told(mode).env("VCAP_SERVICES", services).start().end();
    assert_eq!(of_main(&ended)["DATABASE_URL"], "mysql2://u:p@h/db", "{ended}");
}

fn without_a_platform_nothing_is_told(mode: Mode) {
    let ended = Group::new(mode).main("web", Shell("env; exit 3")).start().end();
    let told = of_main(&ended);
    for name in ["PORT", "VCAP_APPLICATION", "MEMORY_LIMIT", "CF_INSTANCE_GUID", "LANG"] {
        assert_eq!(told.get(name), None, "{name}\n{ended}");
    }
}

fn a_port_needs_a_platform(mode: Mode) {
    let group = Group::new(mode).main("web", Shell("touch started; exit 3"));
    let ended = group.arguments(&["--port", "0"]).start().end();
    ended.code(125).says(&["--port is for Cloud Foundry's files"]);
    let own = told(mode).top("env: {PORT: 7000}").arguments(&["--port", "0"]).start().end();
    own.code(125).says(&["--port: the spec's `env` sets PORT itself"]);
    let ended = told(mode).env("VCAP_APPLICATION", "{}").arguments(&["--port", "0"]).start().end();
    ended.code(125).says(&["--port: a launcher has run already"]);
}

fn what_the_platform_would_say_stands_under_the_verdict(mode: Mode) {
    let ended = told(mode).start().end();
    let lines = ended.ours();
    let verdict =
        lines.iter().position(|line| line.contains(") exited with 3")).expect("a verdict");
    let said = "Cloud Foundry would say: APP/PROC/WEB: Exited with status 3";
    assert_eq!(lines[verdict + 1], said, "{ended}");
    let ended = Group::new(mode).main("web", Shell("exit 3")).start().end();
    ended.silent_about("Cloud Foundry");
}

fn sidecars_on_the_platform_are_warned_of(mode: Mode) {
    let ended = told(mode).env("CF_INSTANCE_GUID", "x").start().end();
    ended.code(3).says(&["CF_INSTANCE_GUID is set"]).says(&["never both"]);
    let alone = Group::new(mode).main("web", Shell("exit 3")).top("platform: cloudfoundry");
    let ended = alone.env("CF_INSTANCE_GUID", "x").start().end();
    ended.code(3).silent_about("CF_INSTANCE_GUID");
}
