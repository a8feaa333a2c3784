"""``trueup demo``: the main job on this machine, from measuring to a proof that a flipped byte breaks."""

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from trueup.faces.cli import demo_pages
from trueup.faces.cli.demo_pages import Step
from trueup.kernel.doors import App, leave, pass_store
from trueup.kernel.errors import TrueupError
from trueup.kernel.words import ExitCode

RATE = 10.0
MEMORY_MIB = 512
TRIES = 3
RESTLESS_PERCENT = 12.0  # of the machine, the mean of one second above the median second
INJECTED = "context_switches_per_s"
NAMED = ("tree_cpu_percent", "tree_rss_bytes")


@click.command()
@click.option("--rest", default=30.0, show_default=True, type=click.FloatRange(min=10), help="Seconds of sampling at rest.")
@click.option("--load", default=20.0, show_default=True, type=click.FloatRange(min=5), help="Seconds of sampling under load.")
@click.option(
    "--out", type=click.Path(path_type=Path, file_okay=False), help="Folder of the results; default: demo/ in the home."
)
@pass_store
def demo(app: App, rest: float, load: float, out: Path | None) -> None:
    """Measure this machine at rest and under load, catch the change, control that nothing else alarms, reach a page under policy, prove it."""
    folder = out or app.key_folder.parent / "demo"
    folder.mkdir(parents=True, exist_ok=True)
    runner = _Demo(app, folder)
    steps = runner.run(rest, load)
    document = {
        "verdict": "PASS" if all(step.ok for step in steps) else "FAIL",
        "findings": [{"step": s.what, "expected": s.expected, "found": s.found} for s in steps if not s.ok],
        "steps": [{"what": s.what, "expected": s.expected, "found": s.found, "ok": s.ok, "judged": s.judged} for s in steps],
        "pack": str(runner.pack),
        "report": str(folder / "report.html"),
    }
    app.emit(
        document,
        [
            *_table(steps),
            "",
            *runner.story,
            f"report: {document['report']}",
            f"pack: {runner.pack}",
            *_pages(app),
        ],
    )
    leave(ExitCode.OK if document["verdict"] == "PASS" else ExitCode.FAIL)


def _pages(app: App) -> list[str]:
    """Say where all this is to be seen, and how to get in."""
    from trueup.kernel.identity import queries

    home = app.key_folder.parent
    way = (
        f"a lost password is replaced with: trueup --home {home} user reset-password EMAIL"
        if queries.has_owner(app.session.tenant)
        else f"the owner's one-time password: make owner (or: trueup --home {home} init)"
    )
    port = os.environ.get("TRUEUP_PORT", "8471")
    return [f"pages: make serve (or: trueup --home {home} serve), then http://127.0.0.1:{port}/", f"sign in: {way}"]


def _table(steps: list[Step]) -> list[str]:
    width = max(len(step.what) for step in steps)
    return [
        f"{('ok ' if s.judged else '-- ') if s.ok else 'BAD'}  {s.what:<{width}}  {s.found}"
        + ("" if s.ok else f"   (expected {s.expected})")
        for s in steps
    ]


class _Demo:
    """The demo's steps, in order."""

    def __init__(self, app: App, folder: Path) -> None:
        self.app = app
        self.folder = folder
        self.pack = folder / "pack.zip"
        self.story: list[str] = []
        self.restless = False

    def run(self, rest: float, load: float) -> list[Step]:
        resting, loaded = self.folder / "at-rest.parquet", self.folder / "under-load.parquet"
        self._rest(resting, rest)
        self.app.say(f"2/7 sampling for {load:g} s while a child process burns one core and holds {MEMORY_MIB} MiB")
        with _workload(load):
            self._sample(loaded, load)
        self.app.say("3/7 comparing")
        main = self._compare(resting, loaded, "demo:this-machine")
        self.app.say("4/7 controls: what did not change must not alarm, what did must")
        steps = [self._main(main), *self._controls(resting)]
        self.app.say("5/7 reaching a page of this machine under policy, and not the port beside it")
        steps += demo_pages.steps(self.app)
        self.app.say("6/7 verifying the log")
        steps.append(self._log())
        self.app.say("7/7 packing, verifying, and flipping one byte")
        return [*steps, *self._proof(main)]

    def _rest(self, path: Path, seconds: float) -> None:
        """Sample at rest; where other programs burst in between, try again, and remember if it never was at rest."""
        from trueup.domains.telemetry.sources.blocks import unrest

        for attempt in range(TRIES):
            self.app.say(f"1/7 sampling this machine at rest for {seconds:g} s" + (" again" if attempt else ""))
            self._sample(path, seconds)
            burst = unrest(path, "cpu_percent", rows=int(RATE), workdir=self.app.session.spool())
            self.restless = burst > RESTLESS_PERCENT
            if not self.restless:
                return
            self.app.say(f"    other programs burst to {burst:.0f} % above the usual load: this was no rest")

    def _sample(self, path: Path, seconds: float) -> None:
        from trueup.domains.telemetry.actions import SampleHost

        self.app.run(SampleHost, {"seconds": seconds, "rate": RATE, "pid": os.getpid(), "out": path})

    def _compare(self, baseline: Path, run: Path, subject: str) -> Mapping[str, Any]:
        from trueup.domains.telemetry.actions import Compare

        return self.app.run(Compare, {"baseline": baseline, "run": run, "subject": subject})

    def _main(self, value: Mapping[str, Any]) -> Step:
        from trueup.domains.telemetry.cli_support import explained

        found: dict[str, Any] = {}
        for finding in value["findings"]:
            found.setdefault(finding["metric"], finding)  # the strongest comes first
        self.story = [explained(found[name]) for name in NAMED if name in found]
        others = len(set(found) - set(NAMED))
        named = " and ".join(name for name in NAMED if name in found) or "neither"
        return Step(
            "this machine, at rest → under load",
            f"PASS_WITH_DRIFT naming {' and '.join(NAMED)}",
            f"{value['verdict']}: {named} changed, and {others} machine metrics",
            value["verdict"] == "PASS_WITH_DRIFT" and all(name in found for name in NAMED),
        )

    def _controls(self, resting: Path) -> list[Step]:
        from trueup.domains.telemetry.sources.blocks import alternating_blocks
        from trueup.domains.telemetry.sources.recorded import recorded

        even, odd = alternating_blocks(resting, self.folder, rows=int(RATE))
        clean, drifted = recorded("clean"), recorded("drifted")
        # A machine that others use may burst too briefly to judge: that is said, and is no alarm.
        quiet = ("PASS", "INSUFFICIENT_DATA")
        first = self._control(
            "control 1: at rest, alternating seconds", self._compare(even, odd, "demo:control-1"), "PASS", quiet
        )
        if self.restless and not first.ok:
            found = f"{first.found} (says nothing: other programs were busy in some seconds and not in others)"
            first = replace(first, found=found, ok=True, judged=False)
        return [
            first,
            self._control("control 2: recorded clean pair", self._compare(*clean, "demo:control-2"), "PASS"),
            self._control("control 3: recorded drifted pair", self._compare(*drifted, "demo:control-3"), "PASS_WITH_DRIFT"),
            self._injected(*clean),
        ]

    def _injected(self, baseline: Path, run: Path) -> Step:
        """Put a drifting sensor into a copy of the clean run: it must be found, and nothing else."""
        from trueup.domains.telemetry.actions_data import InjectFault

        faulty = self.folder / "faulty.parquet"
        fault = {"fault": "sensor_drift", "metrics": [INJECTED], "scale": 6.0, "start": 0.2, "seed": 7}
        self.app.run(InjectFault, {**fault, "source": run, "output": faulty})
        value = self._compare(baseline, faulty, "demo:control-4")
        step = self._control("control 4: a sensor made to drift", value, "PASS_WITH_DRIFT")
        return replace(step, ok=step.ok and {finding["metric"] for finding in value["findings"]} == {INJECTED})

    @staticmethod
    def _control(what: str, value: Mapping[str, Any], expected: str, also: Sequence[str] = ()) -> Step:
        names = list(dict.fromkeys(finding["metric"] for finding in value["findings"]))
        listed = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
        if value["verdict"] == "INSUFFICIENT_DATA":
            unjudged = [metric["metric"] for metric in value["metrics"] if metric["verdict"] == "INSUFFICIENT_DATA"]
            listed = f"no difference found, but {len(unjudged)} metrics could not be judged"
        found = value["verdict"] + (f": {listed}" if listed else "")
        return Step(what, expected, found, value["verdict"] in (expected, *also))

    def _log(self) -> Step:
        from trueup.kernel.evidence import queries

        report = queries.verify(self.app.session, [])
        return Step(
            "the log verifies",
            "PASS",
            f"{report.verdict}: {report.size} entries, root {report.root[:16]}…",
            report.verdict == "PASS",
        )

    def _proof(self, main: Mapping[str, Any]) -> list[Step]:
        from trueup.domains.telemetry.cli_support import deliver
        from trueup.kernel.evidence.actions import CreatePack
        from trueup.kernel.evidence.engine.verifier import verify_pack

        deliver(self.app, main, self.folder)
        self.app.run(CreatePack, {"subject": main["subject"]})  # kept in the home too, where the pages show it
        trusted = self.app.session.context().ports.keys.trusted_fingerprints()
        sound = verify_pack(self.pack, trusted)
        flipped = self.folder / "flipped.zip"
        member = flip_one_byte(self.pack, flipped)
        broken = verify_pack(flipped, trusted)
        flipped.unlink()
        return [
            Step(
                "the pack verifies",
                "PASS",
                f"{sound.verdict}: {sound.facts} facts, {sound.artifacts} files, signed",
                sound.verdict == "PASS",
            ),
            Step(
                "one flipped byte is caught",
                f"FAIL at {member}",
                f"{broken.verdict} at {broken.member}",
                broken.verdict == "FAIL" and broken.member == member,
            ),
        ]


def flip_one_byte(pack: Path, target: Path) -> str:
    """Copy a pack with one bit of its largest member turned over; return that member's name."""
    from trueup.kernel.evidence.engine.container import read_members

    with pack.open("rb") as file:
        member = max(read_members(file), key=lambda m: m.size)
    data = bytearray(pack.read_bytes())
    data[member.start + member.size // 2] ^= 0x01
    target.write_bytes(data)
    return member.name


@contextmanager
def _workload(seconds: float) -> Iterator[None]:
    """Run the burning, holding child process while the block samples."""
    command = [sys.executable, "-m", "trueup.domains.telemetry.sources.workload", "--seconds", str(seconds + 60)]
    child = subprocess.Popen([*command, "--memory-mib", str(MEMORY_MIB), "--cpu", "1"], stdout=subprocess.PIPE)  # noqa: S603 - our own module
    try:
        if child.stdout is None or child.stdout.readline() != b"ready\n":
            raise TrueupError("the demo's load could not be started", remedy=f"see that {MEMORY_MIB} MiB of memory are free")
        yield
    finally:
        child.terminate()
        child.wait()
