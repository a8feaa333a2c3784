#!/bin/sh
# Everything that can be known without running the product.
set -eu
cd "$(dirname "$0")/.."
B=.venv/bin
"$B/ruff" format --check src tests benchmarks
"$B/ruff" check src tests benchmarks
"$B/mypy"
"$B/lint-imports" --no-cache
"$B/bandit" -q -c pyproject.toml -r src
"$B/python" scripts/requirements_matrix.py --check
echo "check: clean"
