"""The predicates that telemetry publishes."""

from trueup.kernel.evidence.engine.fact import Predicate, ValueType

VERDICT = Predicate("telemetry.verdict", 1, ValueType.TEXT, "verdict of a comparison of a run with its baseline")
FINDINGS = Predicate("telemetry.findings", 1, ValueType.INTEGER, "significant findings of a comparison", "1")
COMPARED = Predicate("telemetry.metrics_compared", 1, ValueType.INTEGER, "numeric columns that both files have", "1")
BASELINE = Predicate("telemetry.baseline_sha256", 1, ValueType.TEXT, "SHA-256 of the baseline file")
RUN = Predicate("telemetry.run_sha256", 1, ValueType.TEXT, "SHA-256 of the run file")
METRIC_VERDICT = Predicate("telemetry.metric.verdict", 1, ValueType.TEXT, "verdict of one metric of a run")
METRIC_EFFECT = Predicate("telemetry.metric.effect", 1, ValueType.NUMBER, "unit-free size of a metric's strongest finding", "1")

PREDICATES = (VERDICT, FINDINGS, COMPARED, BASELINE, RUN, METRIC_VERDICT, METRIC_EFFECT)
