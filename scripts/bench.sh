#!/bin/sh
# Every published figure, one after the other; results as JSON in benchmarks/results/.
cd "$(dirname "$0")/.."
unset TRUEUP_HOME 2>/dev/null
status=0
for module in kernel.start kernel.merkle kernel.ledger kernel.pack telemetry.compare telemetry.peers telemetry.normalise telemetry.matrix telemetry.mqtt telemetry.jetstream telemetry.syslog telemetry.replay automation.jobs automation.peers automation.queue automation.memory; do
  echo "== $module"
  .venv/bin/python -m "benchmarks.$module" || status=1
done
exit $status
