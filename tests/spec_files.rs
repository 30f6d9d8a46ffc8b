//! Every file in `tests/spec/good` reads to the dump beside it; every file in `tests/spec/bad` is
//! refused with exactly the text beside it.
//!
//! `SNAPSHOTS=overwrite cargo test --test spec_files` writes the files beside; read the difference.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use fateshare::spec::{self, Launch, Overlay, Reading, SpecFile};
use proptest::prelude::*;

/// A file that is shown by its own name and seems to be in `/app`.
fn spec_file(name: &str) -> SpecFile {
    SpecFile { shown: name.to_owned(), folder: PathBuf::from("/app") }
}

/// Reads a text as if it were `./fateshare.yml`.
fn read(text: &[u8], overlay: &Overlay) -> Result<Reading, String> {
    spec::read(text, &spec_file("./fateshare.yml"), overlay)
        .map_err(|problems| problems.to_string())
}

/// The folder with files of one kind.
fn folder(kind: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/spec").join(kind)
}

/// Compares what each file of the folder gives with what is expected beside it.
fn compare(
    kind: &str,
    least: usize,
    show: impl Fn(Result<Reading, String>) -> Result<String, String>,
) {
    let overwrite = std::env::var_os("SNAPSHOTS").is_some_and(|mode| mode == "overwrite");
    let mut specs = Vec::new();
    let mut expectations = Vec::new();
    for entry in fs::read_dir(folder(kind)).expect("the folder") {
        let path = entry.expect("an entry").path();
        match path.extension().and_then(|extension| extension.to_str()) {
            Some("yml") => specs.push(path),
            Some("out") => expectations.push(path),
            _ => panic!("{} is neither .yml nor .out", path.display()),
        }
    }
    specs.sort();
    let mut wrong = String::new();
    for path in expectations {
        if !path.with_extension("yml").exists() {
            writeln!(wrong, "{} has no .yml", path.display()).expect("written");
        }
    }
    for path in &specs {
        let text = fs::read(path).expect("a readable file");
        let name = path.file_name().expect("a name").to_string_lossy();
        let read = spec::read(&text, &spec_file(&name), &Overlay::default());
        let shown = match show(read.map_err(|problems| problems.to_string())) {
            Ok(shown) => shown + "\n",
            Err(unexpected) => {
                writeln!(wrong, "{name}: {unexpected}").expect("written");
                continue;
            }
        };
        let beside = path.with_extension("out");
        if overwrite {
            fs::write(&beside, &shown).expect("written");
        }
        match fs::read_to_string(&beside) {
            Ok(expected) if expected == shown => {}
            Ok(expected) => {
                writeln!(wrong, "{name}: expected\n{expected}but got\n{shown}").expect("written");
            }
            Err(error) => writeln!(wrong, "{name}: no .out beside it ({error})").expect("written"),
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
    assert!(specs.len() >= least, "only {} files in {kind}", specs.len());
}

/// A launch in a form that does not change when a type gets a new derive.
fn dump(launch: &Launch) -> String {
    let mut out = format!("shell {:?}, grace {:?}\n", launch.shell, launch.grace_period);
    writeln!(out, "stop on {:?}, {:?}", launch.stop_on, launch.exit_codes).expect("written");
    for member in &launch.members {
        writeln!(out, "{}: {:?} {:?}", member.name, member.form, member.argv).expect("written");
        writeln!(
            out,
            "  stop {:?} to {:?} with {:?}, may finish {:?}",
            member.stop, member.stop_to, member.stop_signal, member.may_finish
        )
        .expect("written");
        writeln!(out, "  in {:?}, memory {:?}", member.working_dir, member.memory)
            .expect("written");
        writeln!(
            out,
            "  as {:?}, oom_score_adj {:?}, no_new_privs {}",
            member.user.as_ref().map(ToString::to_string),
            member.oom_score_adj,
            member.no_new_privs
        )
        .expect("written");
        for (what, check) in
            [("health", &member.health_check), ("readiness", &member.readiness_check)]
        {
            if let Some(check) = check {
                let times = (check.start_timeout, check.interval, check.timeout);
                writeln!(out, "  {what}: {check}, {times:?}").expect("written");
            }
        }
        for (name, value) in &member.env {
            writeln!(out, "  {name} = {value:?}").expect("written");
        }
    }
    out
}

#[test]
fn good_files_read_to_what_stands_beside_them() {
    compare("good", 10, |read| {
        let Reading { launch, warnings } = read?;
        let mut out = dump(&launch);
        for warning in warnings {
            writeln!(out, "warning: {warning}").expect("written");
        }
        Ok(out.trim_end().to_owned())
    });
}

#[test]
fn bad_files_are_refused_with_what_stands_beside_them() {
    compare("bad", 25, |read| match read {
        Ok(_) => Err("was accepted".to_owned()),
        Err(problems) => Ok(problems),
    });
}

#[test]
fn no_message_shows_a_value_of_env() {
    for entry in fs::read_dir(folder("bad")).expect("the folder") {
        let path = entry.expect("an entry").path();
        if path.extension().is_some_and(|extension| extension == "out") {
            let text = fs::read_to_string(&path).expect("readable");
            assert!(!text.contains("s3cret"), "{}", path.display());
        }
    }
}

#[test]
fn bytes_that_are_no_text_are_refused() {
    let error = read(b"main:\n  command: \xff\n", &Overlay::default()).expect_err("no text");
    assert!(error.contains("not UTF-8 text: line 2"), "{error}");
}

#[test]
fn a_byte_order_mark_and_windows_line_ends_change_nothing() {
    let text = "\u{feff}main:\r\n  command: x\r\n";
    assert!(read(text.as_bytes(), &Overlay::default()).is_ok());
}

#[test]
fn what_is_large_deep_or_multiplies_is_refused_quickly() {
    let bomb = (0..20).fold("a0: &a0 [x, x]\n".to_owned(), |text, level| {
        format!("{text}a{0}: &a{0} [*a{level}, *a{level}]\n", level + 1)
    });
    let wide = format!("a: &a [{}]\nb: [{}]\n", "x,".repeat(20_000), "*a,".repeat(9_000));
    let deep = |letter: &str| letter.repeat(1 << 19);
    let blocks = "- ".repeat(1 << 19);
    for (text, part) in [
        (bomb, ""),
        (wide, "more than 200000 values"),
        (deep("["), "nested too deeply"),
        (deep("{a: "), ""),
        (blocks, "nested too deeply"),
        (format!("a: {}", "x".repeat(1 << 20)), "larger than 1 MiB"),
    ] {
        let started = std::time::Instant::now();
        let error = read(text.as_bytes(), &Overlay::default()).expect_err("refused");
        assert!(error.contains(part), "{error}");
        assert!(started.elapsed().as_secs() < 5, "{error}: {:?}", started.elapsed());
    }
}

#[test]
fn many_problems_are_cut_to_what_can_be_read() {
    let text = (0..2_000).fold(String::new(), |text, number| text + &format!("zzz{number}: 1\n"));
    let error = read(text.as_bytes(), &Overlay::default()).expect_err("invalid");
    assert!(error.contains("and 1901 more problems"), "{error}");
}

#[test]
fn the_command_line_replaces_the_command_and_adds_sidecars() {
    let overlay = Overlay {
        command: Some(vec![OsString::from("other"), OsString::from("$PORT")]),
        sidecars: vec![("cache".to_owned(), "redis-server".to_owned())],
        grace_period: Some(std::time::Duration::from_secs(3)),
    };
    let text = b"main: {name: web, command: a; b, env: {A: 1}}\nenv: {B: 2}\ngrace_period: 5";
    let launch = read(text, &overlay).expect("valid").launch;
    assert_eq!(launch.members[0].argv, ["other", "$PORT"]);
    assert_eq!(launch.members[0].stop_to, spec::StopTo::Process);
    assert_eq!(launch.members[0].env.len(), 2);
    assert_eq!(launch.members[1].name, "cache");
    assert_eq!(launch.members[1].env, [("B".to_owned(), Some("2".to_owned()))]);
    assert_eq!(launch.grace_period.as_secs(), 3);
    for text in ["env: {A: 1}", "main: {name: web}"] {
        assert!(read(text.as_bytes(), &overlay).is_ok(), "{text}");
    }
}

#[test]
fn problems_of_the_command_line_come_after_those_of_the_file() {
    let overlay =
        Overlay { sidecars: vec![("web".to_owned(), "x".to_owned())], ..Overlay::default() };
    let error = read(b"main: {name: web, command: x, image: y}", &overlay).expect_err("invalid");
    let (first, last) = (error.lines().next(), error.lines().last());
    assert_eq!(first, Some("fateshare: ./fateshare.yml:1:31: unknown key `image`"));
    assert_eq!(last, Some("fateshare: --sidecar web: another member has this name"));
}

/// Small documents that are nearly specs.
fn nearly_a_spec() -> impl Strategy<Value = String> {
    let word = prop_oneof![
        Just("main"),
        Just("sidecars"),
        Just("name"),
        Just("command"),
        Just("env"),
        Just("stop_on"),
        Just("grace_period"),
        Just("health_check"),
        Just("memory"),
        Just("<<"),
        Just("&a"),
        Just("*a"),
        Just("!t"),
        Just("null"),
        Just("1e3"),
        Just("0777"),
        Just("'x"),
        Just("\"y\""),
        Just("|"),
        Just(">-"),
        Just("---"),
        Just("?"),
        Just("é名"),
        Just("# c"),
    ];
    let glue = prop_oneof![
        Just(": "),
        Just("\n"),
        Just("\n  "),
        Just("\n    "),
        Just("\n- "),
        Just("- "),
        Just("{"),
        Just("}"),
        Just("["),
        Just("]"),
        Just(", "),
        Just("\t"),
        Just(" "),
        Just("\r\n"),
    ];
    proptest::collection::vec((word, glue), 0..24)
        .prop_map(|parts| parts.into_iter().flat_map(|(word, glue)| [word, glue]).collect())
}

proptest! {
    #[test]
    fn no_bytes_make_the_reader_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = read(&bytes, &Overlay::default());
    }

    #[test]
    fn no_text_makes_the_reader_panic(text in "\\PC{0,200}") {
        let _ = read(text.as_bytes(), &Overlay::default());
    }

    #[test]
    fn no_document_makes_the_reader_panic(text in nearly_a_spec()) {
        let _ = read(text.as_bytes(), &Overlay::default());
    }
}
