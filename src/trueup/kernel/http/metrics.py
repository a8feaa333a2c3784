"""Figures of a server for Prometheus; none is about a tenant.

References:
    Prometheus documentation, "Exposition formats" and "Metric and label naming"; prometheus_client, "Multiprocess Mode".
"""

import os

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
    multiprocess,
)
from prometheus_client.registry import REGISTRY

from trueup import __version__

REQUESTS = Counter("trueup_http_requests", "Answered requests", ["method", "door", "status"])
SECONDS = Histogram(
    "trueup_http_request_seconds",
    "Time from a request to its answer",
    ["door"],
    buckets=(0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10),
)
BUILD = Gauge("trueup_build", "The version that runs", ["version"], multiprocess_mode="max")
BUILD.labels(__version__).set(1)


def exposition() -> tuple[str, bytes]:
    """Return the content type and text of all figures, over all processes of the server."""
    registry: CollectorRegistry = REGISTRY
    if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
        registry = CollectorRegistry()
        multiprocess.MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    return CONTENT_TYPE_LATEST, generate_latest(registry)
