#!/bin/sh
# Set up .venv from the hash-locked requirement files. Safe to repeat; does nothing when nothing changed.
set -eu
cd "$(dirname "$0")/.."
say() { printf 'setup: %s\n' "$*" >&2; }
fail() { printf 'setup: %s\n' "$*" >&2; exit 3; }

stamp=.venv/.trueup-setup
want=$(cat requirements/bootstrap.txt requirements/dev.txt pyproject.toml | sha256sum | cut -d' ' -f1)
if [ -x .venv/bin/trueup ] && [ "$(cat "$stamp" 2>/dev/null)" = "$want" ]; then exit 0; fi

command -v python3 >/dev/null 2>&1 || fail "no python3 found. Remedy: apt-get install -y python3 python3-venv"

# The bootstrap environment holds uv alone; any python3 will do for it.
if [ ! -x .boot/bin/uv ]; then
  boot_python=python3
  "$boot_python" -c '' >/dev/null 2>&1 || boot_python=/usr/bin/python3
  say "making the bootstrap environment .boot (uv, through pip)"
  if ! "$boot_python" -m venv .boot >/dev/null 2>&1; then
    rm -rf .boot
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
      say "python3 lacks venv: installing python3-venv with apt-get"
      apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq python3-venv >&2
      "$boot_python" -m venv .boot || /usr/bin/python3 -m venv --clear .boot
    else
      fail "python3 has no venv module. Run as root: apt-get install -y python3-venv; then: make setup"
    fi
  fi
  .boot/bin/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements/bootstrap.txt \
    || { rm -rf .boot; fail "pip could not install uv. Remedy: give this machine a way to a Python package index (PIP_INDEX_URL), then: make setup"; }
fi
uv="$PWD/.boot/bin/uv"

# A Python >= 3.12: one that uv finds, else one in the usual places of version managers, else a download.
make_venv() { "$uv" venv -q --clear --python "$@" .venv 2>/dev/null; }
if ! { [ -x .venv/bin/python ] && .venv/bin/python -c 'import sys; sys.exit(sys.version_info < (3, 12))' 2>/dev/null; }; then
  say "making .venv with a Python >= 3.12"
  done=
  if make_venv '>=3.12' --no-python-downloads; then done=1; fi
  if [ -z "$done" ]; then
    for candidate in "${PYENV_ROOT:-/nonexistent}"/versions/3.1[2-9]*/bin/python3 "${HOME:-/nonexistent}"/.pyenv/versions/3.1[2-9]*/bin/python3 /opt/python*/bin/python3 /usr/local/bin/python3.1[2-9] /usr/bin/python3.1[2-9]; do
      [ -x "$candidate" ] || continue
      "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 12))' 2>/dev/null || continue
      if make_venv "$candidate"; then done=1; break; fi
    done
  fi
  if [ -z "$done" ]; then
    say "no Python >= 3.12 here: asking uv to download one"
    make_venv 3.12 || fail "no Python >= 3.12 was found and none could be downloaded. Remedy: install one (for example 'uv python install 3.12' with network, or 'pyenv install 3.12'), put it on PATH, then: make setup"
  fi
fi

say "installing the locked packages into .venv (about 25 packages to run, 30 more to test)"
"$uv" pip sync -q --python .venv/bin/python --require-hashes requirements/dev.txt
"$uv" pip install -q --python .venv/bin/python --no-deps --no-build-isolation -e .
printf '%s' "$want" > "$stamp"
say "done: $(.venv/bin/trueup --version)"
