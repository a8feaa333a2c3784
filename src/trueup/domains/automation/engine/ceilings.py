"""What an authorization allows at most, on top of the limits of policies: a rate, so many at once, so many in all."""

from datetime import datetime, timedelta

from trueup.domains.automation.engine.hostpolicy import Ceilings
from trueup.domains.automation.engine.limits import Usage


def over(usage: Usage, total: int, ceilings: Ceilings, now: datetime) -> tuple[str, datetime | None]:
    """Say which ceiling one more request would go over, and when to ask again; empty where it may begin.

    Args:
        usage: of the authorization within the last hour.
        total: how many requests it was used for since it began.
        ceilings: of the authorization.
        now: the time.
    """
    if ceilings.requests is not None and total >= ceilings.requests:
        return "ceiling.requests", None
    if ceilings.rps is not None:
        if ceilings.rps <= 0:
            return "ceiling.rps", None
        # a rate below one a second is one request in a longer window
        most = max(1, int(ceilings.rps))
        window = timedelta(seconds=most / ceilings.rps)
        if usage.begun.since(now - window) >= most:
            return "ceiling.rps", usage.begun.newest(most) + window
    if ceilings.concurrent is not None and usage.running >= ceilings.concurrent:
        return "ceiling.concurrent", None
    return "", None
