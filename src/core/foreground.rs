//! How well-known daemons are kept in the foreground.

/// Program names (`comm`, at most 15 bytes) and what keeps them in the foreground.
const FLAGS: [(&str, &str); 24] = [
    ("nginx", "nginx -g 'daemon off;'"),
    ("redis-server", "redis-server --daemonize no"),
    ("valkey-server", "valkey-server --daemonize no"),
    ("apache2", "apache2 -DFOREGROUND"),
    ("httpd", "httpd -DFOREGROUND"),
    ("lighttpd", "lighttpd -D"),
    ("haproxy", "haproxy -db"),
    ("sshd", "sshd -D"),
    ("cron", "cron -f"),
    ("crond", "crond -f"),
    ("php-fpm", "php-fpm -F"),
    ("varnishd", "varnishd -F"),
    ("dnsmasq", "dnsmasq -k"),
    ("named", "named -f"),
    ("unbound", "unbound -d"),
    ("rsyslogd", "rsyslogd -n"),
    ("supervisord", "supervisord -n"),
    ("squid", "squid -N"),
    ("postfix", "postfix start-fg"),
    ("mysqld", "mysqld without --daemonize"),
    ("mongod", "mongod without --fork"),
    ("memcached", "memcached without -d"),
    ("gunicorn", "gunicorn without --daemon"),
    ("uwsgi", "uwsgi without --daemonize"),
];

/// The command line that keeps this program in the foreground, if it is a known one.
pub(super) fn flag(name: &str) -> Option<&'static str> {
    // php-fpm8.2, postgres: writer ...: the name proper ends at the first version or blank.
    let bare = name.split([' ', ':']).next().unwrap_or(name);
    let bare = bare.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.');
    FLAGS.iter().find(|(known, _)| *known == bare).map(|(_, flag)| *flag)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_and_titles_do_not_hide_a_name() {
        assert_eq!(flag("nginx"), Some("nginx -g 'daemon off;'"));
        assert_eq!(flag("php-fpm8.2"), Some("php-fpm -F"));
        assert_eq!(flag("nginx: master"), Some("nginx -g 'daemon off;'"));
        assert_eq!(flag("my-own-server"), None);
    }
}
