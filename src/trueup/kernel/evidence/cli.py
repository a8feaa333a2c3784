"""``trueup evidence``: the log, packs, keys and artifacts."""

import json
from pathlib import Path
from typing import Any

import click

from trueup.kernel.doors import App, finish, pass_app, pass_store
from trueup.kernel.errors import UnreadableInput

FILE = click.Path(path_type=Path, dir_okay=False)


@click.group()
def evidence() -> None:
    """The log, packs, keys and artifacts: what was recorded, and the proof that it was."""


@evidence.group()
def log() -> None:
    """The tenant's tamper-evident log."""


@log.command()
@click.option("--limit", default=20, show_default=True, type=click.IntRange(1), help="How many entries, the newest first.")
@pass_store
def show(app: App, limit: int) -> None:
    """List entries, the newest first."""
    from trueup.kernel.evidence import queries

    rows = queries.entries(app.session.tenant, limit=limit)
    covered = queries.coverage(app.session.tenant)
    words = [
        f"{r['index'] if r['index'] is not None else 'pending':>7}  {r['at']}  {r['outcome']:<8} {r['action']}  {r['principal']}"
        for r in rows
    ]
    words.append(f"{covered['size']} entries under the newest checkpoint, {covered['pending']} not yet covered")
    app.emit({"entries": rows, **covered}, words)


@log.command("verify")
@click.option("--against", type=FILE, multiple=True, help="A checkpoint kept elsewhere: reveals a log that was cut or replaced.")
@click.option("--file", "log_file", type=FILE, help="Verify an exported log instead of the store; needs no home.")
@click.option("--key", "keys", multiple=True, metavar="FILE|FINGERPRINT", help="A public key to trust, with --file.")
@pass_app
def log_verify(app: App, against: tuple[Path, ...], log_file: Path | None, keys: tuple[str, ...]) -> None:
    """Check every entry, checkpoint, fact and artifact; name the first that is not as recorded."""
    if log_file is not None:
        report: Any = _verify_file(app, log_file, against, keys)
    else:
        session = app.session
        from trueup.kernel.evidence import queries

        report = queries.verify(session, [_checkpoint(path) for path in against])
    document = report.as_dict()
    words = [f"  BAD  {_place(f['sequence'])}: {f['problem']}" for f in document["findings"]]
    words += [f"  note {note}" for note in document.get("notes", ())]
    words.append(
        f"{document['origin']}: {document['size']} entries, {document['checkpoints']} checkpoints, verdict {document['verdict']}"
    )
    app.emit(document, words)
    finish(document["verdict"])


def _place(sequence: int | None) -> str:
    return "log" if sequence is None else f"entry {sequence}"


def _trusted(app: App, keys: tuple[str, ...]) -> set[str]:
    from trueup.kernel.evidence.engine.program import trusted_fingerprint

    folder = app.key_folder / "trusted"
    try:
        given = {trusted_fingerprint(key) for key in keys}
    except (OSError, ValueError) as exc:
        raise UnreadableInput(
            f"--key: {exc}", remedy="give a public key file (PEM or verifier-key line) or a SHA-256 fingerprint"
        ) from exc
    return given or {path.stem for path in folder.glob("*.pem")}


def _verify_file(app: App, path: Path, against: tuple[Path, ...], keys: tuple[str, ...]) -> Any:
    from trueup.kernel.evidence.engine.logfile import verify_log_file

    trusted = _trusted(app, keys)
    known = [_checkpoint(file) for file in against]
    try:
        with path.open("rb", buffering=1 << 20) as file:
            return verify_log_file(file, trusted, against=known)
    except OSError as exc:
        raise UnreadableInput(f"{path}: {exc.strerror}") from exc


def _checkpoint(path: Path) -> Any:
    """Read a checkpoint file. Its keeper vouches for it: what it states is compared with the log, which is signed."""
    from trueup.kernel.evidence.engine import notes

    try:
        text, _ = notes.split_note(path.read_text(encoding="utf-8"))
        return notes.parse_checkpoint(text)
    except OSError as exc:
        raise UnreadableInput(f"{path}: {exc.strerror}") from exc
    except ValueError as exc:
        raise UnreadableInput(
            f"{path}: not a checkpoint: {exc}", remedy="give a file that 'trueup evidence log checkpoint' wrote"
        ) from exc


@log.command()
@click.argument("index", type=click.IntRange(0))
@click.option(
    "--at-size", type=click.IntRange(1), help="Prove against the tree of so many entries; default the newest checkpoint."
)
@pass_store
def prove(app: App, index: int, at_size: int | None) -> None:
    """Print an entry with its inclusion proof and the checkpoint it is proven against."""
    from trueup.kernel.evidence import queries

    document = queries.prove(app.session, index, at_size)
    app.emit(document, json.dumps(document, indent=2, ensure_ascii=False))


@log.command()
@click.option("--out", type=FILE, help="Write the signed note to this file; else it is printed.")
@pass_store
def checkpoint(app: App, out: Path | None) -> None:
    """Hand out the newest checkpoint. Keep it elsewhere: only it reveals a log that was cut."""
    from trueup.kernel.evidence.actions import PublishCheckpoint

    value = app.run(PublishCheckpoint, {"out": out})
    app.emit(value, str(value["note"]).rstrip("\n") if out is None else f"checkpoint of {value['size']} entries: {out}")


@log.command()
@click.option("--out", type=FILE, required=True, help="The log file to write.")
@pass_store
def export(app: App, out: Path) -> None:
    """Write the whole log to a file that verifies in constant memory, without Trueup's store."""
    from trueup.kernel.evidence.actions_log import ExportLog

    value = app.run(ExportLog, {"out": out})
    app.emit(value, f"{value['entries']} entries, {value['checkpoints']} checkpoints: {out}")


@evidence.command()
@click.option("--subject", required=True, help="What the pack is about; its parts (SUBJECT/…) are included.")
@click.option("--out", type=FILE, required=True, help="The pack to write (ZIP).")
@click.option("--at-size", type=click.IntRange(1), help="As of the first so many entries: the same size gives the same bytes.")
@pass_store
def pack(app: App, subject: str, out: Path, at_size: int | None) -> None:
    """Write a signed pack about a subject, which verifies without Trueup."""
    from trueup.kernel.evidence.actions import CreatePack

    value = app.run(CreatePack, {"subject": subject, "out": out, "at_size": at_size})
    app.emit(value, f"pack: {out} ({value['entries']} entries, {value['facts']} facts, {value['artifacts']} artifacts)")


@evidence.command()
@click.argument("pack_file", metavar="PACK", type=FILE)
@click.option(
    "--key", "keys", multiple=True, metavar="FILE|FINGERPRINT", help="A public key you trust; default: the keys this home trusts."
)
@pass_app
def verify(app: App, pack_file: Path, keys: tuple[str, ...]) -> None:
    """Verify a pack. Needs no home; without a trusted key a sound pack is UNKNOWN (exit 30)."""
    from trueup.kernel.evidence.engine.program import report_lines
    from trueup.kernel.evidence.engine.verifier import verify_pack

    try:
        report = verify_pack(pack_file, _trusted(app, keys))
    except OSError as exc:
        raise UnreadableInput(f"{pack_file}: {exc.strerror}") from exc
    app.emit(report.as_dict(), report_lines(report))
    finish(report.verdict)


@evidence.command()
@click.option("--out", type=FILE, required=True, help="Where the program goes.")
@pass_app
def verifier(app: App, out: Path) -> None:
    """Write verify.py, the verifier of packs that needs Python and cryptography alone. Needs no home."""
    from trueup.kernel.evidence.engine.bundle import verifier_source
    from trueup.kernel.files import write_atomic

    source = verifier_source()
    write_atomic(out, source)
    app.emit({"out": str(out), "size": len(source)}, f"{len(source)} bytes: {out}")


@evidence.group()
def key() -> None:
    """The signing key of this home, and the keys it trusts."""


@key.command("show")
@click.option("--out", type=FILE, help="Also write the public key to this file (PEM), to hand to who verifies.")
@pass_store
def key_show(app: App, out: Path | None) -> None:
    """Print the public key's fingerprint."""
    from trueup.kernel.evidence.keys import public_pem
    from trueup.kernel.files import write_atomic

    keys = app.session.context().ports.keys
    signer = keys.signer()
    if out is not None:
        write_atomic(out, public_pem(signer))
    document = {"fingerprint": signer.fingerprint, "trusted": sorted(keys.trusted_fingerprints())}
    app.emit(document, f"{signer.fingerprint}" + (f"\npublic key: {out}" if out else ""))


@key.command()
@pass_store
def rotate(app: App) -> None:
    """Put a new key in force. Packs and checkpoints by the old key still verify."""
    from trueup.kernel.evidence.actions import RotateKey

    value = app.run(RotateKey, {}, system=True)
    app.emit(value, f"new key {value['fingerprint']}\nretired {value['retired']} (still trusted; its private half is gone)")


@key.command()
@click.option("--out", type=FILE, required=True, help="Where the copy goes; must not exist.")
@pass_store
def backup(app: App, out: Path) -> None:
    """Copy the private signing key to a file. Whoever holds the copy can sign in this home's name."""
    from trueup.kernel.evidence.actions import BackupKey

    value = app.run(BackupKey, {"out": out}, system=True)
    app.say("keep this file offline: whoever has it can sign in this home's name;")
    app.say(
        "if key and copy are both lost, old packs still verify, but nothing new can be signed as this home: rotate, and tell who trusts you"
    )
    app.say("secrets are sealed with another key: copy keys/secrets.key of the home with the same care")
    app.emit(value, f"private key {value['fingerprint']} copied to {out}")


@key.command()
@click.argument("file", type=FILE)
@pass_store
def trust(app: App, file: Path) -> None:
    """Trust somebody's public key (PEM), so that their packs verify here."""
    from trueup.kernel.evidence.actions import TrustKey

    value = app.run(TrustKey, {"file": file}, system=True)
    app.emit(value, f"trusted {value['fingerprint']}")


@evidence.group()
def artifact() -> None:
    """Files that entries name."""


@artifact.command()
@click.argument("sha256")
@click.option("--reason", required=True, help="Why it must go; recorded.")
@pass_store
def erase(app: App, sha256: str, reason: str) -> None:
    """Remove an artifact's bytes for good; all proofs stay. Held for approval (exit 6)."""
    from trueup.kernel.evidence.actions import EraseArtifact

    value = app.run(EraseArtifact, {"sha256": sha256, "reason": reason})
    app.emit(value, f"erased {sha256}")


@artifact.command()
@click.argument("sha256")
@click.option("--out", type=FILE, required=True, help="Where the copy goes.")
@pass_store
def get(app: App, sha256: str, out: Path) -> None:
    """Copy an artifact out, after checking that its bytes are those recorded."""
    from trueup.kernel.evidence import queries

    size = queries.copy_artifact(app.session, sha256, out)
    app.emit({"sha256": sha256, "size": size, "out": str(out)}, f"{size} bytes: {out}")


@artifact.command()
@click.option("--dry-run", is_flag=True, help="Only list them.")
@click.option("--older-than", default=86400.0, show_default=True, help="Seconds; younger files may belong to running work.")
@pass_store
def collect(app: App, dry_run: bool, older_than: float) -> None:
    """Remove stored files that no entry names: what killed commands left behind."""
    from trueup.kernel.evidence.actions import CollectArtifacts

    value = app.run(CollectArtifacts, {"dry_run": dry_run, "older_than": older_than})
    app.emit(value, f"{len(value['orphans'])} orphans {'found' if dry_run else 'removed'}")
