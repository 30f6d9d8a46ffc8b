//! Members that run as somebody else, and what they may no longer do.
//!
//! The users are a test's own: `/etc/passwd` and `/etc/group` are replaced in a mount namespace.

mod denied;
mod found;
mod identity;
mod privileges;
mod refused;
mod stopping;

use crate::support::{Group, Mode};

const PASSWD: &str = "root:x:0:0:root:/root:/bin/sh\n\
                      app:x:7001:7002:App:/home/app:/bin/sh\n\
                      other:x:7003:7003::/home/other:/bin/sh\n";

const GROUPS: &str = "root:x:0:\n\
                      app:x:7002:\n\
                      www:x:7004:app\n\
                      media:x:7005:other,app\n\
                      nobody-is-in-it:x:7006:\n";

/// A group whose members can be `app` and `other`.
fn group(mode: Mode) -> Group {
    Group::new(mode).for_all_users().users(PASSWD, GROUPS)
}
