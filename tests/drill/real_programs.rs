//! Programs as Debian packages them: nginx with Redis, and PHP-FPM with nginx.

use std::path::Path;

use fateshare::drill::document::{Drill, Outcome};

use crate::harness::{Setting, outcomes, row};
use crate::support::ports::free_port;
use crate::support::{cannot_run, find_program};

fn nginx(dir: &Path, port: u16, location: &str) -> String {
    let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|kind| format!("  {kind}_temp_path {}/{kind};\n", dir.display()))
        .concat();
    let user = if nix::unistd::geteuid().is_root() { "user root;" } else { "" };
    format!(
        "{user}\nworker_processes 2;\npid nginx.pid;\nevents {{}}\nhttp {{\n  access_log off;\n{temporary}  \
         server {{\n    listen 127.0.0.1:{port};\n    location / {{ {location} }}\n  }}\n}}\n"
    )
}

fn nginx_command(program: &Path, dir: &Path) -> String {
    let (program, dir) = (program.display(), dir.display());
    format!("[{program}, -p, {dir}, -c, {dir}/nginx.conf, -e, {dir}/error.log, -g, 'daemon off;']")
}

fn drill(mut setting: Setting, spec: &str, arguments: &[&str]) -> Drill {
    setting.file("fateshare.yml", spec).arguments(&["--json"]).arguments(arguments);
    let made = setting.run();
    let drill = made.drill();
    assert!(drill.failed == 0 && drill.skipped == 0, "{:#?}\n{}", outcomes(&drill), made.stdout);
    drill
}

/// Both pass. A frozen nginx is a finding only: its workers answer for it.
#[test]
fn nginx_with_redis() {
    let (Some(nginx_program), Some(redis)) = (find_program("nginx"), find_program("redis-server"))
    else {
        return cannot_run("the Debian packages nginx and redis-server are not installed");
    };
    let mut setting = Setting::empty();
    let (web, store) = (free_port(), free_port());
    let dir = setting.dir().to_owned();
    setting.file("nginx.conf", &nginx(&dir, web, "return 200 'hello';"));
    let spec = format!(
        "main:\n  name: web\n  command: {}\n  stop_signal: SIGQUIT\n  health_check: {{type: http, port: {web}}}\n\
         sidecars:\n- name: redis\n  command: [{}, --bind, 127.0.0.1, --port, '{store}', --dir, {}, --save, '']\n\
         exit_codes: {{main_success: 69}}\n",
        nginx_command(&nginx_program, &dir),
        redis.display(),
        dir.display()
    );
    let drill = drill(setting, &spec, &[]);
    let frozen = row(&drill, "web", "freeze");
    assert_eq!(
        frozen.problem.as_ref().map(|it| it.kind.as_str()),
        Some("children_answer"),
        "{frozen:?}"
    );
    // Redis ends with 0 on SIGTERM, which is a crash all the same.
    let told = row(&drill, "redis", "term");
    assert_eq!((told.own_code, told.exit_code), (Some(0), Some(69)));
    // nginx's workers outlive a master that is killed.
    let killed = row(&drill, "web", "kill");
    let workers = killed.stragglers.iter().filter(|it| it.command.starts_with("nginx"));
    assert_eq!((workers.count(), killed.outcome), (2, Outcome::Pass), "{killed:?}");
}

/// PHP-FPM is the sidecar, and its socket a file: it has to come up on what the last one has left.
#[test]
fn php_fpm_with_nginx() {
    let fpm = ["php-fpm8.2", "php-fpm8.3", "php-fpm8.4"].into_iter().find_map(find_program);
    let (Some(nginx_program), Some(fpm)) = (find_program("nginx"), fpm) else {
        return cannot_run("the Debian packages nginx and php-fpm are not installed");
    };
    let mut setting = Setting::empty();
    let web = free_port();
    let dir = setting.dir().to_owned();
    let shown = dir.display();
    let location = format!(
        "fastcgi_pass unix:{shown}/php.sock; fastcgi_param SCRIPT_FILENAME {shown}/index.php; \
         fastcgi_param REQUEST_METHOD $request_method;"
    );
    setting.file("nginx.conf", &nginx(&dir, web, &location));
    setting.file("index.php", "<?php echo 'hello';\n");
    setting.file(
        "php-fpm.conf",
        &format!(
            "[global]\nerror_log = {shown}/php.log\ndaemonize = no\n[www]\nlisten = {shown}/php.sock\n\
             pm = static\npm.max_children = 2\n"
        ),
    );
    let spec = format!(
        "main:\n  name: web\n  command: {}\n  stop_signal: SIGQUIT\n  health_check: {{type: http, port: {web}}}\n\
         sidecars:\n- name: php\n  command: [{}, -R, -n, -y, {shown}/php-fpm.conf]\n  stop_signal: SIGQUIT\n\
         exit_codes: {{main_success: 69}}\n",
        nginx_command(&nginx_program, &dir),
        fpm.display(),
    );
    let drill = drill(setting, &spec, &[]);
    let killed = row(&drill, "php", "kill");
    assert_eq!((killed.exit_code, killed.outcome), (Some(137), Outcome::Pass), "{killed:?}");
    assert!(row(&drill, "php", "late").back_ms.is_some_and(|ms| ms >= 3_000.0));
}
