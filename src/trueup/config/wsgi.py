"""The server process: one open home, its background work, and the application that answers.

``TRUEUP_HOME`` says which home; ``trueup serve`` sets it and the rest:

- ``TRUEUP_NO_WORKER=1``: jobs are worked off elsewhere (``trueup worker``).
- ``TRUEUP_LIMITS``: the file of the rate limits that the processes of one server share.
"""

import gc
import os
import sys
from collections.abc import Callable
from multiprocessing.util import Finalize
from pathlib import Path
from typing import Any

from trueup.config.home import find_home
from trueup.config.installation import Installation


def build() -> Callable[..., Any]:
    """Open the home and return the WSGI application."""
    installation = Installation(find_home(), say=lambda words: print(words, file=sys.stderr))  # noqa: T201 - the server's log
    from django.core.handlers.wsgi import WSGIHandler
    from django.db import connections

    from trueup.config.background import Background
    from trueup.kernel import logs, tenancy
    from trueup.kernel.http.callers import limit_with
    from trueup.kernel.http.host import serve_from
    from trueup.kernel.http.limits import Buckets

    logs.configure()
    serve_from(installation)
    shared = Path(os.environ.get("TRUEUP_LIMITS", "") or installation.home.run / f"{os.getpid()}.limits")
    buckets = Buckets(shared)
    limit_with(buckets)
    tenancy.reach()
    background = Background(installation, worker=os.environ.get("TRUEUP_NO_WORKER", "") != "1")
    application = WSGIHandler()
    # What is loaded by now stays: the collector need not look through it again, nor look so often.
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)
    background.start()

    def end() -> None:
        background.stop()
        buckets.close()
        if "TRUEUP_LIMITS" not in os.environ:
            shared.unlink(missing_ok=True)
        connections.close_all()
        installation.close()

    # Server processes are multiprocessing's children: these, and not atexit's, are the functions called at their end.
    Finalize(None, end, exitpriority=10)
    return application


application = build()
