"""Restoring a back-up into an empty home, on either store: all of it, verified, or nothing."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from trueup.config.home import Home
from trueup.config.installation import Installation
from trueup.config.store import configure, database, open_store, schema_version
from trueup.kernel import tenancy
from trueup.kernel.errors import ConfigurationError, Conflict, Damaged


def restore(home: Home, path: Path, *, say: Callable[[str], None]) -> dict[str, Any]:
    """Restore a back-up.

    Args:
        home: must be empty, or not be there; so must the database that it uses.
        path: the back-up's file.
        say: told of each step.

    Returns:
        What was restored: rows and files, and each log's verdict.

    Raises:
        Conflict: the home or the database holds something.
        ConfigurationError: the back-up was made by a newer Trueup.
        Damaged, UnreadableInput: the file is not what was written; nothing was restored.
    """
    from trueup.kernel.backup.archive import extract, read_manifest

    _require_empty(home)
    say("reading the back-up through")
    manifest, digest = read_manifest(path)
    staging = Home(home.path.with_name(f".{home.path.name}.restoring"))
    shutil.rmtree(staging.path, ignore_errors=True)
    staging.make()
    try:
        say(f"writing {len(manifest['files'])} files")
        extract(path, lambda name: _place(staging, name))
        _load(staging, manifest, say)
        _close()
        shutil.rmtree(staging.spool)
        if home.path.exists():
            shutil.rmtree(home.path)
        staging.path.rename(home.path)
    except BaseException:
        _close()
        shutil.rmtree(staging.path, ignore_errors=True)
        raise
    return _opened(home, manifest, digest, say)


def _require_empty(home: Home) -> None:
    holds = [entry.name for entry in home.path.iterdir()] if home.path.is_dir() else []
    if holds and any(path.is_file() for path in home.path.rglob("*")):
        raise Conflict(f"{home.path} is not empty", remedy="restore into a new folder: trueup --home NEW restore FILE")
    chosen = database(home)
    if "postgresql" in chosen["ENGINE"]:
        configure(chosen)
        if schema_version():
            raise Conflict(f"the database {chosen['NAME']} is not empty", remedy="create a new one: createdb NAME")


def _place(home: Home, name: str) -> Path:
    folder, _, rest = name.partition("/")
    return home.spool / rest if folder == "tables" else home.path / name


def _close() -> None:
    from django.db import connection

    connection.close()


def _load(staging: Home, manifest: dict[str, Any], say: Callable[[str], None]) -> None:
    """Bring an empty store to the back-up's schema, insert every row, and bring it to ours."""
    configure(database(staging))
    from django.db import connection, transaction
    from django.db.migrations.executor import MigrationExecutor

    from trueup.kernel.backup.tables import continue_numbers, included, load

    tenancy.reach_every()
    executor = MigrationExecutor(connection)
    wanted = [(app, name) for app, name in manifest["migrations"]]
    unknown = [key for key in wanted if key not in executor.loader.graph.nodes and key not in executor.loader.replacements]
    if unknown:
        raise ConfigurationError(
            f"the back-up was made by Trueup {manifest['version']}, newer than this one (first: {'.'.join(unknown[0])})",
            remedy="restore it with that version or a later one",
        )
    say("making the store")
    state = executor.migrate(_leaves(executor, wanted))
    models = {model._meta.db_table: model for model in included(state.apps)}
    if set(models) != set(manifest["tables"]):
        raise Damaged(f"the back-up's tables are not those of its schema: {sorted(set(models) ^ set(manifest['tables']))}")
    with transaction.atomic():
        for table, model in models.items():
            rows = load(model, staging.spool / f"{table}.jsonl")
            say(f"{table}: {rows} rows")
            if rows != manifest["tables"][table]["rows"] or model._base_manager.count() != rows:
                raise Damaged(f"{table}: {rows} rows were restored, {manifest['tables'][table]['rows']} were backed up")
        # What ran when the back-up was made runs nowhere now: the next recovery closes it.
        models["actions_attempt"]._base_manager.filter(state="running").update(owner="")
        continue_numbers(list(models.values()))
    connection.close()
    open_store(staging)


def _leaves(executor: Any, wanted: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Return the newest of the wanted migrations of each app."""
    inner = {parent for key in wanted for parent in executor.loader.graph.node_map[key].parents}
    return [key for key in wanted if key not in inner or not any(k[0] == key[0] and k > key for k in wanted)]


def _opened(home: Home, manifest: dict[str, Any], digest: str, say: Callable[[str], None]) -> dict[str, Any]:
    """Open the restored home, write the restoring down, and verify every log against the back-up's heads."""
    installation = Installation(home, say=say)
    try:
        from trueup.kernel.actions.runner import run
        from trueup.kernel.backup.actions import RecordRestore
        from trueup.kernel.evidence.ledger import SYSTEM

        tenancy.reach_every()
        rows = sum(table["rows"] for table in manifest["tables"].values())
        run(
            RecordRestore,
            installation.context(installation.os_principal(), SYSTEM),
            {"manifest": digest, "made_at": manifest["at"], "rows": rows},
        )
        installation.sequence()
        logs = [_verified(installation, head) for head in manifest["logs"]]
        return {"home": str(home.path), "manifest": digest, "rows": rows, "files": len(manifest["files"]), "logs": logs}
    finally:
        installation.close()


def _verified(installation: Installation, head: dict[str, Any]) -> dict[str, Any]:
    from uuid import UUID

    from trueup.kernel.evidence import ledger
    from trueup.kernel.evidence.storecheck import verify_store

    tenant = UUID(head["tenant"])
    report = verify_store(tenant, keys=installation.ports.keys, store=installation.ports.artifacts, against=())
    same = not head["size"] or ledger.tree(tenant, head["size"]).root().hex() == head["root"]
    verdict = str(report.verdict) if same else "FAIL"
    return {"tenant": head["tenant"], "size": head["size"], "verdict": verdict, "findings": list(report.findings)}
