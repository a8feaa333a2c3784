"""Everything that is said of one run: the comparison with its baseline, its asserts, and its outlook."""

from collections.abc import Sequence
from dataclasses import replace

from trueup.domains.telemetry.engine.asserted import asserted
from trueup.domains.telemetry.engine.asserts import Assert
from trueup.domains.telemetry.engine.compare import compare, judge_alone
from trueup.domains.telemetry.engine.config import CompareConfig
from trueup.domains.telemetry.engine.outlook import outlook
from trueup.domains.telemetry.engine.result import Comparison
from trueup.domains.telemetry.engine.table import Table


def examine_run(baseline: Table | None, run: Table, *, config: CompareConfig, checks: Sequence[Assert] = ()) -> Comparison:
    """Hold a run against its baseline and its asserts, and look ahead.

    Args:
        baseline: the table of the claim; None where there is none: bounds and asserts are held then, and nothing passes.
        run: the table of what is.
        config: what counts as a difference.
        checks: conditions on its samples.
    """
    found = judge_alone(run, config) if baseline is None else compare(baseline, run, config=config)
    return replace(asserted(found, run, checks), outlook=outlook(baseline, run, config))
