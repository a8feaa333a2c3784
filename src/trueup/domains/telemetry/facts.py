"""The predicates that telemetry publishes."""

from trueup.kernel.evidence.engine.fact import Predicate, ValueType

VERDICT = Predicate("telemetry.verdict", 1, ValueType.TEXT, "verdict of a comparison of a run with its baseline")
ASKED = Predicate("telemetry.verdict.asked", 1, ValueType.TEXT, "verdict of a run against what somebody picked, not the policy")
FINDINGS = Predicate("telemetry.findings", 1, ValueType.INTEGER, "significant findings of a comparison", "1")
COMPARED = Predicate("telemetry.metrics_compared", 1, ValueType.INTEGER, "numeric columns that both files have", "1")
BASELINE = Predicate("telemetry.baseline_sha256", 1, ValueType.TEXT, "SHA-256 of the baseline file")
RUN = Predicate("telemetry.run_sha256", 1, ValueType.TEXT, "SHA-256 of the run file")
CAPTURE = Predicate("telemetry.capture_sha256", 1, ValueType.TEXT, "SHA-256 over the captured events that a run is made of")
DELIVERY = Predicate("telemetry.capture.delivery", 1, ValueType.TEXT, "exactly-once or at-least-once: a run's captured events")
LATE = Predicate(
    "telemetry.capture.late", 1, ValueType.INTEGER, "events of a run's time that came too late and are left out", "1"
)
LOST = Predicate("telemetry.capture.lost", 1, ValueType.INTEGER, "numbers that a run's senders counted and that never came", "1")
DEAD = Predicate("telemetry.capture.dead_letters", 1, ValueType.INTEGER, "messages of a run's time that could not be events", "1")
DUPLICATES = Predicate("telemetry.capture.duplicates", 1, ValueType.INTEGER, "messages that came to the capture once more", "1")
METRIC_VERDICT = Predicate("telemetry.metric.verdict", 1, ValueType.TEXT, "verdict of one metric of a run")
METRIC_EFFECT = Predicate("telemetry.metric.effect", 1, ValueType.NUMBER, "unit-free size of a metric's strongest finding", "1")
ASSERTS = Predicate("telemetry.asserts.verdict", 1, ValueType.TEXT, "verdict of the asserts of a run, whatever its baseline says")
ASSERTS_SHA256 = Predicate("telemetry.asserts_sha256", 1, ValueType.TEXT, "SHA-256 of the asserts that were asked")
ASSERT = Predicate("telemetry.assert.result", 1, ValueType.TEXT, "pass, fail or unknown: the answer of one assert")
TIME_TO_LIMIT = Predicate(
    "telemetry.metric.time_to_limit", 1, ValueType.NUMBER, "until a run's trend reaches a bound of the metric", "s"
)
WARNINGS = Predicate(
    "telemetry.series.warnings", 1, ValueType.INTEGER, "early warnings over the runs of a test, up to this one", "1"
)
RUNS_TO_LIMIT = Predicate(
    "telemetry.series.runs_to_limit", 1, ValueType.NUMBER, "runs until a metric of a test meets a bound", "1"
)

PREDICATES = (
    VERDICT,
    ASKED,
    FINDINGS,
    COMPARED,
    BASELINE,
    RUN,
    CAPTURE,
    DELIVERY,
    LATE,
    LOST,
    DEAD,
    DUPLICATES,
    METRIC_VERDICT,
    METRIC_EFFECT,
    ASSERTS,
    ASSERTS_SHA256,
    ASSERT,
    TIME_TO_LIMIT,
    WARNINGS,
    RUNS_TO_LIMIT,
)
