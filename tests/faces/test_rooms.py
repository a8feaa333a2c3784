"""Every room by the plan: what it may hold, and what it has of its own."""

import pytest

from tests.faces.test_architecture import SOURCE

# Design, section 3: what every room may hold. Anything else is this room's own, and is named here.
PLAN = {"models", "actions", "queries", "jobs", "sources", "api", "cli", "web", "policies", "facts", "engine"}
DJANGO = {"apps", "migrations", "__init__"}
OWN = {
    "kernel/actions": {
        "attempts",
        "base",
        "errors",
        "ports",
        "redaction",
        "registry",
        "runner",
    },  # what an action is, and its one run
    "kernel/evidence": {
        "actions_log",
        "artifacts",
        "cli_facts",
        "guards",
        "guards_postgresql",
        "keys",
        "ledger",
        "lists",
        "merkle",
        "packs",
        "predicates",
        "proven",
        "snapshot",
        "storecheck",
    },
    "kernel/change": {"execute", "holds"},
    "kernel/gates": {"load"},
    "kernel/http": {  # what all doors share
        "bodies",
        "callers",
        "health",
        "host",
        "limits",
        "metrics",
        "middleware",
        "navigation",
        "options",
        "pages",  # forms that change something
        "paging",
        "problem",
        "readers",
        "replies",
        "tables",
    },
    "kernel/policy": {"load", "questions"},
    "kernel/secrets": {"vault"},
    "kernel/subjects": set(),
    "kernel/backup": {"archive", "databases", "tables"},  # the file of a back-up, captures, and tables as lines
    "kernel/notify": {"alerts"},  # raising one in another room's transaction
    "kernel/identity": {
        "accounts",
        "actions_account",
        "actions_keys",
        "actions_members",
        "actions_prune",
        "actions_users",
        "authenticate",
        "cli_keys",
        "cli_users",
        "credentials",
        "secondfactor",
        "signin",
    },
    "kernel/work": {
        "actions_batch",
        "actions_schedules",
        "child",
        "claims",
        "cli_schedule",
        "context",
        "doing",  # one job by its handler, or several together
        "errors",
        "fence",
        "handlers",
        "host",
        "outbox",
        "outcomes",
        "port",
        "scale",
        "scheduler",
        "slots",
        "sql",
        "tallies",  # how many jobs stand where
        "upkeep",
        "wake",
        "worker",
    },
    "domains/automation": {
        "api_audit",
        "api_authorizations",
        "api_policies",
        "api_safety",
        "api_shapes",
        "audit",  # the log of this room
        "checks",  # the dry run
        "actions_authorizations",
        "actions_breakers",
        "actions_fetches",
        "actions_force",  # authorizations in force, and out of it
        "actions_policies",
        "agent",  # who we say we are
        "authorizations",
        "breakers",
        "browser",
        "catalogue",
        "cli_authorize",
        "cli_breakers",
        "cli_fetch",
        "cli_policies",
        "desk",  # the store, for code in an event loop
        "egress",  # the only way out
        "fetching",
        "meters",
        "pages",
        "policyfile",
        "proving",
        "robotcopies",
        "snapshots",
        "tolls",  # what a hop passes before it is made
        "actions_batches",
        "actions_jobs",
        "api_compat",  # the paths of an older interface
        "api_jobs",
        "api_jobshapes",
        "api_reliability",
        "batches",  # several jobs in one transaction
        "cli_jobs",
        "cli_reliability",
        "executor_browser",
        "executor_load",
        "executors",  # what does a job, by its kind
        "intents",  # requests that change something, written down before they leave
        "jobqueries",
        "jobspec",  # a job as it was frozen
        "loop",
        "performing",  # one attempt at a job
        "reach",  # a run's way out, whole
        "reliability",  # how hosts have served
        "rounds",
        "runtolls",
        "sessions",
        "standings",
        "submitting",
        "turns",
    },
    "domains/telemetry": {
        "cli_sketch",
        "actions_sketch",
        "actions_window",
        "cli_window",
        "actions_asserts",
        "actions_baselines",
        "actions_config",
        "actions_data",
        "actions_live",
        "actions_runs",
        "actions_uploads",
        "actions_warn",
        "analysing",  # a run against its baseline
        "asserting",  # what actions share about asserts
        "capturing",
        "catalogue",
        "cli_asserts",
        "cli_baselines",
        "cli_config",
        "cli_data",
        "cli_live",
        "cli_runs",
        "cli_support",
        "configuring",
        "data",  # the recorded pairs
        "lists",
        "outlooks",  # early warning over runs
        "progress",
        "report",  # the page of a comparison
        "schemas",
        "uploads",
        "measured",
        "trust",
    },
}
LIBRARIES = {"kernel/stats"}  # pure mathematics, not a room with storage
KERNEL = {"documents", "doors", "errors", "files", "logs", "rows", "tenancy", "words", "__init__"}


def rooms():
    return sorted(
        path.relative_to(SOURCE).as_posix()
        for floor in ("kernel", "domains")
        for path in (SOURCE / floor).iterdir()
        if path.is_dir() and path.name != "__pycache__"
    )


def test_every_room_is_known_to_this_test():
    assert set(rooms()) == set(OWN) | LIBRARIES


@pytest.mark.parametrize("room", OWN)
def test_a_room_holds_the_modules_of_the_plan_and_its_own_alone(room):
    found = {path.stem for path in (SOURCE / room).iterdir() if path.suffix == ".py" or path.is_dir()} - {"__pycache__"}
    assert found - PLAN - DJANGO - OWN[room] == set()
    assert OWN[room] - found == set()


def test_the_kernels_ground_holds_what_every_room_shares_and_nothing_else():
    assert {path.stem for path in (SOURCE / "kernel").glob("*.py")} == KERNEL
