"""A command whose NATS source dies by SIGKILL when it has written a batch, before it acknowledges any of it."""

import os
import signal
import sys

from trueup.domains.telemetry.sources.live.nats_client import Link
from trueup.faces.cli.main import main


async def acknowledge(self, replies):
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    Link.acknowledge = acknowledge
    sys.exit(main())
