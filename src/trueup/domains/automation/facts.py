"""The predicates that automation publishes."""

from trueup.kernel.evidence.engine.fact import Predicate, ValueType

OUTCOME = Predicate("automation.page.outcome", 1, ValueType.TEXT, "fetched, blocked or failed: how fetching a page ended")
STATUS = Predicate("automation.page.status", 1, ValueType.INTEGER, "HTTP status of the last answer of a page", "1")
SHA256 = Predicate("automation.page.sha256", 1, ValueType.TEXT, "SHA-256 of a page's body, unpacked")
JOB_ENDED = Predicate("automation.job.ended", 1, ValueType.TEXT, "completed, failed, blocked, denied, timed_out or unknown")

PREDICATES = (OUTCOME, STATUS, SHA256, JOB_ENDED)
