"""How this server's doors stand, as ``config`` read it from the environment."""

from dataclasses import dataclass
from typing import cast


@dataclass(frozen=True, slots=True)
class Options:
    """What the doors need to know.

    Args:
        login_paths: addresses that answer who is not signed in.
        password_paths: addresses that answer who must first change a one-time password; the first is led to.
        own_prefixes: beginnings of addresses that are about one's own account, whatever one's roles.
        behind_proxy: a proxy of ours stands in front and says where requests came from.
        rate: requests a second of one caller.
        burst: requests at once of one caller.
        expects_worker: the server is not ready without a worker.
        metrics_to_loopback: the figures need no credential on this machine.
    """

    login_paths: tuple[str, ...] = ()
    password_paths: tuple[str, ...] = ()
    own_prefixes: tuple[str, ...] = ()
    behind_proxy: bool = False
    rate: float = 50.0
    burst: int = 200
    expects_worker: bool = True
    metrics_to_loopback: bool = False


def options() -> Options:
    """Return how the doors stand."""
    from django.conf import settings

    return cast("Options", getattr(settings, "TRUEUP_DOORS", Options()))
