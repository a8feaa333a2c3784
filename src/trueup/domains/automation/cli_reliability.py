"""``trueup automation reliability``: how well hosts have served."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from trueup.kernel.doors import App, pass_store

if TYPE_CHECKING:
    from trueup.domains.automation.reliability import Host


@click.command()
@click.argument("host", required=False)
@pass_store
def reliability(app: App, host: str | None) -> None:
    """Show how well hosts have served, from their last 200 runs within 30 days; of one HOST also what its steps say.

    What is offered (timeouts, waits, selectors) is never applied; a host that fails is gone easy on by itself, for a while.
    """
    from trueup.domains.automation import reliability as readings
    from trueup.domains.automation.api_reliability import place_of

    context = app.session.context()
    found = readings.of_host(context, place_of(host), context.now) if host else readings.hosts(context.tenant, context.now)
    lines = [line for one in found for line in shown(one, whole=bool(host))]
    app.emit({"hosts": [readings.document(one) for one in found]}, lines or "unknown: no run of the last 30 days")


def shown(one: "Host", *, whole: bool) -> Iterator[str]:
    """Yield an authority as lines for people."""
    told = one.told
    rate = (
        f"{told.succeeded} of {told.counted} ({100 * told.low:.0f} to {100 * told.high:.0f} %)"
        if told.counted
        else "no run that counts"
    )
    times = f"  median {told.median_ms:.0f} ms, 95 % within {told.p95_ms:.0f} ms" if told.median_ms is not None else ""
    lowered = f"  limits at {100 * one.share:.0f} %: {one.ease.why}" if one.ease else ""
    yield f"{one.authority:<32} {told.standing:<10} {rate}{times}{lowered}"
    if not whole:
        return
    yield f"  trend    {told.trend}"
    for code, count in told.errors:
        yield f"  error    {count} x {code}"
    for incident in told.incidents[:5]:
        over = "over" if incident.over else "not over"
        yield f"  incident {incident.count} x {incident.code} from {incident.begun:%Y-%m-%d %H:%M} to {incident.last:%H:%M}, {over}"
    if one.timeout is not None:
        yield f"  advice   give jobs {one.timeout} s"
    if one.waits:
        yield f"  advice   {one.waits}"
    for drift in one.drifts:
        yield f"  missed   {drift.count} x {drift.what!a}"
        for selector, why, _ in drift.offered:
            yield f"    maybe  {selector!a}: {why!a}"
