"""``trueup doctor``."""

import click

from trueup.kernel.doors import App, finish, pass_app

_MARKS = {"good": "ok  ", "warning": "warn", "bad": "BAD "}


@click.command()
@pass_app
def doctor(app: App) -> None:
    """Examine the installation: home, settings, key, store, guards, logs, people, workers. Mends nothing.

    Ends with 0 when all is good, 10 with warnings, 20 when something is bad.
    """
    from trueup.config.doctor import BAD, WARN, examine
    from trueup.config.home import Home

    found = examine(Home(app.key_folder.parent))
    states = {finding.state for finding in found}
    verdict = "FAIL" if BAD in states else "PASS_WITH_DRIFT" if WARN in states else "PASS"
    words = []
    for finding in found:
        words.append(f"{_MARKS[finding.state]}  {finding.check:<9} {finding.words}")
        words += [f"      remedy: {finding.remedy}"] if finding.remedy else []
    findings = [finding.as_dict() for finding in found if finding.state != "good"]
    app.emit({"verdict": verdict, "findings": findings, "checks": [finding.as_dict() for finding in found]}, words)
    finish(verdict)
