#!/bin/sh
# Install the system parts that the tests drive: a PostgreSQL server, a headless Chromium, an MQTT broker and a NATS server. Safe to repeat.
# Where one is missing and cannot be installed, this says how to install it, and the tests that need it fail.
set -eu
say() { printf 'system: %s\n' "$*" >&2; }

want=
command -v initdb >/dev/null 2>&1 || ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || want="postgresql"
command -v chromium-headless-shell >/dev/null 2>&1 || command -v chromium >/dev/null 2>&1 || want="$want chromium-headless-shell"
command -v mosquitto >/dev/null 2>&1 || [ -x /usr/sbin/mosquitto ] || want="$want mosquitto"
command -v mosquitto_pub >/dev/null 2>&1 || want="$want mosquitto-clients"
command -v nats-server >/dev/null 2>&1 || [ -x /usr/sbin/nats-server ] || want="$want nats-server"
command -v openssl >/dev/null 2>&1 || want="$want openssl"
command -v logger >/dev/null 2>&1 || want="$want bsdutils"
[ -n "$want" ] || exit 0
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
  say "installing with apt-get: $want"
  export DEBIAN_FRONTEND=noninteractive
  # shellcheck disable=SC2086 - a list of package names
  { apt-get update -qq && apt-get install -y -qq --no-install-recommends $want >/dev/null; } \
    || say "apt-get could not install $want; the tests that need it will fail"
else
  say "missing: $want. The tests that need it will fail. Run as root: apt-get install -y --no-install-recommends $want"
fi
