"""The verifier as a program of its own, and what it says."""

import argparse
import base64
import json
import re
import sys
from pathlib import Path

from trueup.kernel.evidence.engine.notes import check_public_key, fingerprint, parse_vkey
from trueup.kernel.evidence.engine.verifier import Report, verify_pack


def trusted_fingerprint(key: str) -> str:
    """Return the fingerprint that ``--key`` means: a fingerprint itself, or a public key file.

    Raises:
        ValueError: neither.
        OSError: the file cannot be read.
    """
    if re.fullmatch(r"[0-9a-fA-F]{64}", key):
        return key.lower()
    data = Path(key).read_bytes()
    if b"-----BEGIN PUBLIC KEY-----" in data:
        body = data.split(b"-----BEGIN PUBLIC KEY-----")[1].split(b"-----END")[0]
        der = base64.b64decode(b"".join(body.split()))
        if len(der) != 44 or der[:12] != bytes.fromhex("302a300506032b6570032100"):
            raise ValueError(f"{key}: expected an Ed25519 public key")
        check_public_key(der[12:])
        return fingerprint(der[12:])
    return fingerprint(parse_vkey(data.decode("ascii"))[1])


def main(argv: list[str] | None = None) -> int:
    """Verify the pack that the command line names and print what was found."""
    parser = argparse.ArgumentParser(prog="verify.py", description="Verify a Trueup evidence pack.")
    parser.add_argument("pack", metavar="PACK", type=Path)
    parser.add_argument(
        "--key", action="append", default=[], metavar="FILE|FINGERPRINT", help="a public key you trust; may be repeated"
    )
    parser.add_argument("--json", action="store_true", help="print the verdict document")
    args = parser.parse_args(argv)
    try:
        report = verify_pack(args.pack, {trusted_fingerprint(key) for key in args.key})
    except (OSError, ValueError) as exc:
        error = {"error": {"code": "UNREADABLE_INPUT", "message": str(exc), "details": {}}}
        print(json.dumps(error) if args.json else f"verify.py: {exc}", file=sys.stdout if args.json else sys.stderr)
        return 2
    print(json.dumps(report.as_dict(), indent=2) if args.json else "\n".join(report_lines(report)))
    return report.exit_code


def report_lines(report: Report) -> list[str]:
    """Say a report in words."""
    lines = [f"  ok  {check}" for check in report.checks]
    if report.problem:
        lines.append(f"  BAD {report.member}: {report.problem}")
    lines.append(
        f"integrity {report.integrity}, signer {report.signer}" + (f" ({report.fingerprint})" if report.fingerprint else "")
    )
    if report.verdict == "UNKNOWN":
        lines.append("the pack is sound, but no key you named has signed it: pass --key FILE or FINGERPRINT that you trust")
    lines.append(f"verdict {report.verdict}")
    return lines
