#!/bin/sh
# All tests, slow ones included, on two workers, with the branch-coverage gate.
set -eu
cd "$(dirname "$0")/.."
./scripts/system.sh
unset TRUEUP_HOME TRUEUP_API_KEY TRUEUP_DATABASE_URL 2>/dev/null || true
rm -f .coverage .coverage.*
exec .venv/bin/pytest -q -n "${TRUEUP_TEST_WORKERS:-2}" --dist worksteal --cov --cov-report=term:skip-covered "$@"
