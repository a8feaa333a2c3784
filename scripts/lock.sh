#!/bin/sh
# Renew the hash-locked requirement files. They hold versions and hashes, no index address.
set -eu
cd "$(dirname "$0")/.."
UV=.boot/bin/uv
[ -x "$UV" ] || { echo "lock: run 'make setup' first" >&2; exit 3; }
lock() { "$UV" pip compile -q --universal --generate-hashes --python-version 3.12 --no-emit-index-url --no-emit-find-links --no-annotate --custom-compile-command "scripts/lock.sh" "$@"; }
lock requirements/bootstrap.in -o requirements/bootstrap.txt
lock pyproject.toml -o requirements/runtime.txt
lock pyproject.toml --group dev -c requirements/runtime.txt -o requirements/dev.txt
# an environment of its own: what is measured against is neither run nor tested with
lock requirements/bench.in -o requirements/bench.txt
