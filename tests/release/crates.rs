//! The crate, and the list of the crates that are in the program.

use std::collections::BTreeSet;
use std::fs;

use serde_json::Value;

use super::{MADE, VERSION, text, tool, utf8};

/// `NAME VERSION` of each crate that `cargo tree` shows, but for our own.
fn tree(edges: &str) -> BTreeSet<String> {
    let arguments = [
        "tree",
        "--locked",
        "--prefix=none",
        "--format={p}",
        "--target",
        &MADE.target,
        "--edges",
        edges,
    ];
    let crates = tool(env!("CARGO"), &arguments);
    let named = crates.lines().map(|line| {
        let mut words = line.split_ascii_whitespace();
        let name = words.next().expect("a name");
        format!("{name} {}", words.next().expect("a version").trim_start_matches('v'))
    });
    named.filter(|it| !it.starts_with("fateshare ")).collect()
}

#[test]
fn every_crate_in_the_program_is_listed_and_no_other() {
    let list = fs::read_to_string(MADE.path(".cdx.json")).expect("the list");
    let list: Value = serde_json::from_str(&list).expect("JSON");
    assert_eq!((&list["bomFormat"], &list["specVersion"]), (&"CycloneDX".into(), &"1.5".into()));
    let own = &list["metadata"]["component"];
    assert_eq!(own["purl"], format!("pkg:cargo/fateshare@{VERSION}"));
    let triple = list["metadata"]["properties"].as_array().expect("properties");
    assert!(triple.iter().any(|it| it["value"] == MADE.target), "{triple:?}");
    // Both would differ each time, or from place to place.
    assert_eq!(list["serialNumber"], Value::Null);
    assert!(!list.to_string().contains("file://"));

    let components = list["components"].as_array().expect("components");
    let mut listed = BTreeSet::new();
    for it in components {
        let (name, version) =
            (it["name"].as_str().expect("a name"), it["version"].as_str().expect("a version"));
        assert_eq!(it["purl"], format!("pkg:cargo/{name}@{version}"));
        assert_eq!(it["hashes"][0]["alg"], "SHA-256", "{it}");
        assert!(it["licenses"][0].is_object(), "{it}");
        assert!(listed.insert(format!("{name} {version}")), "{name} {version} twice");
    }
    assert_eq!(listed, tree("normal"));
    let linked = tree("normal,no-proc-macro");
    assert!(linked.len() > 20 && linked.is_subset(&listed), "{linked:?}");
    // There are some that only tests use, so that they could have been listed.
    let for_tests: BTreeSet<_> = tree("normal,dev").difference(&listed).cloned().collect();
    assert!(for_tests.iter().any(|it| it.starts_with("proptest ")), "{for_tests:?}");
}

#[test]
fn the_crate_holds_what_it_takes_and_little_else() {
    let top = format!("fateshare-{VERSION}");
    let path = MADE.folder.join(format!("{top}.crate"));
    let list = tool("tar", &["-tzf", utf8(&path)]);
    let files: BTreeSet<&str> = list
        .lines()
        .map(|line| line.strip_prefix(&format!("{top}/")).expect("one folder"))
        .collect();
    for file in [
        "Cargo.toml",
        "Cargo.lock",
        "LICENSE",
        "README.md",
        "CHANGELOG.md",
        "src/main.rs",
        "src/lib.rs",
    ] {
        assert!(files.contains(file), "{file} in {files:?}");
    }
    // Cargo leaves out the examples that it does not find; these are named, so they are there.
    for example in text("Cargo.toml").split("[[example]]").skip(1) {
        let (_, path) = example.split_once("path = \"").expect("a path");
        let (path, _) = path.split_once('"').expect("its end");
        assert!(files.contains(path), "{path} in {files:?}");
    }
    let tops: BTreeSet<&str> = files.iter().filter_map(|it| Some(it.split_once('/')?.0)).collect();
    assert_eq!(tops, BTreeSet::from(["docs", "examples", "release", "src", "tests"]));
    let release: Vec<_> = files.iter().filter(|it| it.starts_with("release/")).collect();
    assert_eq!(release, [&"release/no-unwinding.ld"], "the linker reads it");
    let tests: Vec<_> = files.iter().filter(|it| it.starts_with("tests/")).collect();
    assert_eq!(tests, [&"tests/support/fixture.rs"], "it is an example for Cargo");

    // Who reads the README there finds what it points to.
    let readme = text("README.md");
    let links =
        readme.split("](").skip(1).filter_map(|it| it.split_once(')')).map(|(link, _)| link);
    let mut checked = 0;
    for link in links.filter(|it| !it.contains("://") && !it.starts_with('#')) {
        let found = files.iter().any(|it| *it == link || it.starts_with(&format!("{link}/")));
        assert!(found, "{link} is not in the crate");
        checked += 1;
    }
    assert!(checked > 10, "the links were found: {checked}");
}
