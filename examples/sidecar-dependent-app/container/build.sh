#!/bin/sh
# Builds static programs and gathers what the image needs in target/container (or in the folder named).
#
#     examples/sidecar-dependent-app/container/build.sh [FOLDER]
set -eu
here=$(cd "$(dirname "$0")" && pwd)
cd "$here/../../.."
target=${CARGO_TARGET_DIR:-target}
folder=${1:-$target/container}

# glibc is linked statically only when the target is named: then build scripts and procedural macros, which
# must stay dynamic, are built without these flags. musl is static anyway. `host-tuple` is the machine's own.
RUSTFLAGS="${RUSTFLAGS-} -C target-feature=+crt-static" \
    cargo build --locked --release --target host-tuple --target-dir "$target" \
    --bin fateshare --example sidecar-dependent-app --example config-server

built=$target/$(rustc --print host-tuple)/release
mkdir -p "$folder"
cp "$built/fateshare" "$built/examples/sidecar-dependent-app" "$built/examples/config-server" \
    "$here/fateshare.yml" "$here/Dockerfile" "$folder"
echo "$folder"
