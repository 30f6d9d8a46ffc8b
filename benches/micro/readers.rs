//! From text to what will run.

use std::fmt::Write as _;
use std::path::PathBuf;

use divan::counter::{BytesCount, ItemsCount};
use divan::{Bencher, black_box};
use fateshare::cloudfoundry::{Inputs, Strictness, resolve};
use fateshare::spec::{self, Overlay, Source, SpecFile};

const MEMBERS: [usize; 3] = [1, 64, 1_000];

fn file(name: &str) -> SpecFile {
    SpecFile { shown: name.to_owned(), folder: PathBuf::from("/app") }
}

/// A launch spec with so many members, with all that a usual one has.
fn launch_spec(members: usize) -> String {
    let mut text = String::from(
        "main:\n  name: web\n  command: bundle exec rackup -p $PORT\n  memory: 512M\n  \
         health_check: {type: http, endpoint: /health}\nenv: {CONFIG_SERVER_PORT: 8082}\n",
    );
    if members > 1 {
        text.push_str("sidecars:\n");
    }
    for number in 1..members {
        let _ = writeln!(
            text,
            "  - name: sidecar-{number}\n    command: [./config-server, --port, \"{}\"]\n    \
             stop: after_main\n    env: {{NUMBER: {number}}}\n    memory: 64M",
            8_000 + number
        );
    }
    text
}

#[divan::bench(args = MEMBERS)]
fn launch_specs(bencher: Bencher<'_, '_>, members: usize) {
    let (text, file, overlay) = (launch_spec(members), file("fateshare.yml"), Overlay::default());
    bencher
        .counter(BytesCount::of_str(&text))
        .counter(ItemsCount::new(members))
        .bench(|| spec::read(black_box(text.as_bytes()), &file, &overlay).expect("it is valid"));
}

/// The same with a slip in each sidecar: every place is looked for.
#[divan::bench(args = MEMBERS)]
fn launch_specs_with_mistakes(bencher: Bencher<'_, '_>, members: usize) {
    let text = launch_spec(members).replace("memory", "memry");
    let (file, overlay) = (file("fateshare.yml"), Overlay::default());
    bencher
        .counter(BytesCount::of_str(&text))
        .counter(ItemsCount::new(members))
        .bench(|| spec::read(black_box(text.as_bytes()), &file, &overlay).expect_err("it is not"));
}

/// A manifest whose app has so many sidecars.
fn manifest(sidecars: usize) -> String {
    let mut text = String::from(
        "applications:\n- name: shop\n  command: bundle exec rackup -p $PORT\n  memory: 256M\n  \
         health-check-type: http\n  health-check-http-endpoint: /health\n  env: {A: x}\n  \
         sidecars:\n",
    );
    for number in 0..sidecars {
        let _ = writeln!(
            text,
            "  - name: sidecar-{number}\n    process_types: [web, worker]\n    \
             command: './config-server --port {}'",
            8_000 + number
        );
    }
    text
}

#[divan::bench(args = MEMBERS)]
fn manifests(bencher: Bencher<'_, '_>, sidecars: usize) {
    let text = manifest(sidecars);
    let inputs = Inputs {
        manifest: Some(Source { file: file("manifest.yml"), text: text.clone().into_bytes() }),
        launch_ymls: Vec::new(),
        procfile: None,
        staging: Vec::new(),
        vars_files: Vec::new(),
        vars: Vec::new(),
        app: None,
        process: None,
        strictness: Strictness::Usual,
        deps_dir: None,
        command_given: false,
        folder: PathBuf::from("/app"),
    };
    bencher
        .counter(BytesCount::of_str(&text))
        .counter(ItemsCount::new(sidecars))
        .bench(|| resolve(black_box(&inputs)).expect("it is valid"));
}
