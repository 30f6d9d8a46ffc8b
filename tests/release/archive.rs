//! The archive, the checksums, and where installers look for them.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use clap::CommandFactory;
use fateshare::cli::Cli;

use super::{MADE, VERSION, folder, make, names, release, run, said, text, tool, utf8};

/// What is in the archive, sorted: mode and name.
fn expected() -> Vec<String> {
    let top = format!("fateshare-{VERSION}-{}", MADE.target);
    let file = |name: &str| format!("-rw-r--r-- {top}/{name}");
    let mut command = Cli::command();
    command.build();
    let mut all: Vec<String> =
        ["", "completions/", "man/"].map(|it| format!("drwxr-xr-x {top}/{it}")).into();
    all.push(format!("-rwxr-xr-x {top}/fateshare"));
    all.extend(["LICENSE", "README.md", "man/fateshare.1"].map(file));
    all.extend(
        ["_fateshare", "fateshare.bash", "fateshare.fish"]
            .map(|it| file(&format!("completions/{it}"))),
    );
    let shown = command.get_subcommands().filter(|it| !it.is_hide_set());
    all.extend(shown.map(|it| file(&format!("man/fateshare-{}.1", it.get_name()))));
    all.sort_unstable();
    all
}

#[test]
fn the_archive_holds_the_program_and_all_that_belongs_to_it() {
    let archive = MADE.path(".tar.gz");
    let commit = tool("git", &["log", "-1", "--format=%ct"]);
    let list = tool("tar", &["--full-time", "--utc", "-tvzf", utf8(&archive)]);
    let date = tool("date", &["--utc", "--date", &format!("@{}", commit.trim()), "+%F %T"]);
    let mut seen = Vec::new();
    for line in list.lines() {
        let words: Vec<&str> = line.split_ascii_whitespace().collect();
        let [mode, owner, _, day, time, name] = words[..] else { panic!("{line}") };
        assert_eq!((owner, format!("{day} {time}").as_str()), ("0/0", date.trim()), "{line}");
        seen.push(format!("{mode} {name}"));
    }
    seen.sort_unstable();
    assert_eq!(seen, expected());

    let unpacked = tempfile::tempdir().expect("a folder");
    tool("tar", &["-xzf", utf8(&archive), "-C", utf8(unpacked.path())]);
    let inside = unpacked.path().join(format!("fateshare-{VERSION}-{}", MADE.target));
    let program = inside.join("fateshare");
    assert!(
        fs::read(&program).expect("the program")
            == fs::read(MADE.path("")).expect("the program alone")
    );
    assert_eq!(tool(utf8(&program), &["--version"]), format!("fateshare {VERSION}\n"));
    assert_eq!(
        fs::read_to_string(inside.join("README.md")).expect("the README"),
        text("README.md")
    );
    let page = fs::read_to_string(inside.join("man/fateshare-run.1")).expect("a man page");
    assert!(page.contains(&format!("fateshare {VERSION}")), "{page}");
}

#[test]
fn the_program_is_static() {
    assert!(!asks_for_an_interpreter(&MADE.path("")));
    // Which is how this one would be found out.
    if cfg!(target_env = "gnu") {
        assert!(asks_for_an_interpreter(Path::new(env!("CARGO_BIN_EXE_fateshare"))));
    }
}

/// Whether an ELF file of 64 bits, little end first, has a segment that names a dynamic linker.
fn asks_for_an_interpreter(program: &Path) -> bool {
    const PT_INTERP: u32 = 3;
    let bytes = fs::read(program).expect("the program");
    assert_eq!(bytes[..6], *b"\x7fELF\x02\x01");
    let half =
        |at: usize| usize::from(u16::from_le_bytes(bytes[at..at + 2].try_into().expect("two")));
    let word = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four"));
    let table = u64::from_le_bytes(bytes[32..40].try_into().expect("eight"));
    let (table, size, count) = (usize::try_from(table).expect("a place"), half(54), half(56));
    assert!(count > 0);
    (0..count).any(|segment| word(table + segment * size) == PT_INTERP)
}

#[test]
fn it_is_the_same_when_it_is_made_again() {
    let again = folder("two");
    let mut command = make(&again, &["--no-image"]);
    // Somebody else, elsewhere, with other habits.
    command.current_dir("/").env("TZ", "Asia/Tokyo").env("LC_ALL", "C");
    let mut with_umask = Command::new("sh");
    with_umask
        .args(["-c", "umask 077; exec \"$0\" \"$@\""])
        .arg(command.get_program())
        .args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => with_umask.env(name, value),
            None => with_umask.env_remove(name),
        };
    }
    with_umask.current_dir("/");
    run(with_umask);
    assert_eq!(names(&again), names(&MADE.folder));
    for name in names(&again).into_iter().filter(|name| name != "image") {
        let same = fs::read(again.join(&name)).expect("a file")
            == fs::read(MADE.folder.join(&name)).expect("a file");
        assert!(same, "{name} differs");
    }
}

#[test]
fn the_checksums_are_those_of_every_file() {
    let mut files = names(&MADE.folder);
    files.retain(|name| name != "SHA256SUMS" && name != "image");
    let sums = fs::read_to_string(MADE.folder.join("SHA256SUMS")).expect("the sums");
    assert_eq!(MADE.printed, sums);
    let named: Vec<&str> =
        sums.lines().filter_map(|line| line.split_once("  ")).map(|(_, name)| name).collect();
    assert_eq!(named, files);
    let mut check = Command::new("sha256sum");
    check.args(["--check", "--strict", "--quiet", "SHA256SUMS"]).current_dir(&MADE.folder);
    assert!(check.status().expect("sha256sum").success());

    // The page names them all, and nothing else.
    let page = text("docs/releases.md");
    let rows = page.lines().filter_map(|line| line.strip_prefix("| `")?.split_once('`'));
    let mut listed: Vec<String> =
        rows.map(|(name, _)| name.replace("TARGET", &MADE.target)).collect();
    listed.retain(|name| name != "SHA256SUMS");
    listed.sort_unstable();
    assert_eq!(listed, files);
}

/// An archive of a program that is only text, as `.ci/release` makes one for a target.
fn archive_for(target: &str, folder: &Path) {
    let name = format!("fateshare-{VERSION}-{target}");
    let work = tempfile::tempdir().expect("a folder");
    let program = work.path().join(&name).join("fateshare");
    fs::create_dir(work.path().join(&name)).expect("a folder");
    fs::write(&program, target).expect("a file");
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).expect("a mode");
    let archive = folder.join(format!("{name}.tar.gz"));
    tool("tar", &["-czf", utf8(&archive), "-C", utf8(work.path()), &name]);
}

#[test]
fn what_several_machines_made_is_joined() {
    let joined = tempfile::tempdir().expect("a folder");
    let both = [("amd64", "x86_64-unknown-linux-musl"), ("arm64", "aarch64-unknown-linux-musl")];
    for (_, target) in both {
        archive_for(target, joined.path());
    }
    run(release(&["--join", "--out", utf8(joined.path())]));
    for (architecture, target) in both {
        let program = joined.path().join("image").join(architecture).join("fateshare");
        assert_eq!(fs::read_to_string(&program).expect("the program"), target);
        let mode = fs::metadata(&program).expect("the program").permissions().mode();
        assert_eq!(mode & 0o777, 0o755);
    }
    let sums = fs::read_to_string(joined.path().join("SHA256SUMS")).expect("the sums");
    assert_eq!(sums.lines().count(), 2, "{sums}");

    // An image cannot have two programs for one architecture.
    archive_for("x86_64-unknown-linux-gnu", joined.path());
    let output = release(&["--join", "--out", utf8(joined.path())]).output().expect("it runs");
    let said = said(&output);
    assert!(!output.status.success() && said.contains(" has a second: "), "{said}");
}

#[test]
fn installers_find_what_the_script_makes() {
    let metadata: serde_json::Value = serde_json::from_str(&tool(
        env!("CARGO"),
        &["metadata", "--no-deps", "--locked", "--format-version=1"],
    ))
    .expect("JSON");
    let package = &metadata["packages"][0];
    let repository = package["repository"].as_str().expect("a repository");
    let told = &package["metadata"]["binstall"];
    let filled = |key: &str| {
        let template = told[key].as_str().unwrap_or_else(|| panic!("no {key}: {told}")).to_owned();
        let values = [
            ("repo", repository),
            ("name", "fateshare"),
            ("version", VERSION),
            ("target", &MADE.target),
            ("bin", "fateshare"),
            ("binary-ext", ""),
        ];
        let filled = values
            .iter()
            .fold(template, |it, (name, value)| it.replace(&format!("{{ {name} }}"), value));
        assert!(!filled.contains('{'), "{filled}");
        filled
    };
    let archive = format!("fateshare-{VERSION}-{}.tar.gz", MADE.target);
    let url = filled("pkg-url");
    assert_eq!(url, format!("{repository}/releases/download/v{VERSION}/{archive}"));
    assert!(MADE.folder.join(&archive).exists());
    assert_eq!(filled("pkg-fmt"), "tgz");
    let program = filled("bin-dir");
    assert!(expected().contains(&format!("-rwxr-xr-x {program}")), "{program}");

    // And the page's line for curl takes the same file, and the same program in it.
    let page = text("docs/releases.md").replace("x86_64-unknown-linux-musl", &MADE.target);
    assert!(page.contains(&format!("curl -fL {url} |")), "{url}");
    assert!(page.contains(&format!(" {program}\n")), "{program}");
}
