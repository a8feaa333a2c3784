# Two commands do everything on a fresh machine: `make demo` and `make test`.
.PHONY: help setup demo owner serve test quick check bench format lock clean
SHELL := /bin/sh
BIN := .venv/bin
export TRUEUP_HOME ?= $(CURDIR)/.trueup

help:  ## Show what can be made
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## (.*)/  make \1\t\2/'

setup:  ## Install everything needed into .venv
	@./scripts/setup.sh

demo: setup  ## Measure this machine, catch a change, prove it
	@$(BIN)/trueup demo

owner: setup  ## Make the owner of the pages; the one-time password is printed once
	@$(BIN)/trueup init

serve: setup  ## Serve pages and API on a local web address
	@$(BIN)/trueup serve

test: setup  ## Run all tests with the coverage gate
	@./scripts/test.sh

quick: setup  ## Run the tests that are not slow, without the coverage gate
	@env -u TRUEUP_HOME $(BIN)/pytest -q -n 2 -m 'not slow'

check: setup  ## Format, lint, types, import contracts, security lint, requirements matrix
	@./scripts/check.sh

bench: setup  ## Run every benchmark; results as JSON in benchmarks/results/
	@./scripts/bench.sh

format: setup  ## Format the code
	@$(BIN)/ruff format src tests benchmarks
	@$(BIN)/ruff check --fix src tests benchmarks

lock: setup  ## Renew the locked requirement files
	@./scripts/lock.sh

clean:  ## Remove environments and caches (never the home)
	rm -rf .venv .boot .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache htmlcov .coverage .coverage.*
