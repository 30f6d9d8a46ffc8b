#!/usr/bin/env bash
# Installs those whom measure.py puts beside fateshare, on a Debian or Ubuntu machine; all that is not a package of it
# goes to target/peers.
#
#   benches/side-by-side/install.sh
set -euo pipefail
cd "$(dirname "$0")/../.."
peers=$PWD/target/peers

as_root() { if [ "$(id -u)" -eq 0 ]; then "$@"; else sudo "$@"; fi; }

missing=()
need() { command -v "$1" >/dev/null 2>&1 || [ -x "/usr/sbin/$1" ] || missing+=("$2"); }
need cc gcc
need strace strace
need tini tini
need dumb-init dumb-init
need catatonit catatonit
need s6-svscan s6
need runsvdir runit
need supervisord supervisor
need npm npm
python3 -c 'import ensurepip, venv' 2>/dev/null || missing+=(python3-venv)
if [ "${#missing[@]}" -gt 0 ]; then
    export DEBIAN_FRONTEND=noninteractive
    as_root apt-get update -qq
    as_root apt-get install -y -qq --no-install-recommends "${missing[@]}"
fi

mkdir -p "$peers"
[ -x "$peers/bin/horust" ] || cargo install --quiet --locked --root "$peers" horust
[ -x "$peers/bin/pid1" ] || cargo install --quiet --locked --root "$peers" pid1-exe
[ -x "$peers/venv/bin/circusd" ] || {
    python3 -m venv "$peers/venv"
    "$peers/venv/bin/pip" install --quiet honcho circus matplotlib
}
[ -x "$peers/node_modules/.bin/concurrently" ] || npm install --silent --no-fund --no-audit --prefix "$peers" concurrently
