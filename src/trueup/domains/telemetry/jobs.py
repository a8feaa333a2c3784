"""Long work of telemetry: comparisons of uploaded files, each in a process of its own."""

from typing import Any

from trueup.domains.telemetry.actions_uploads import KIND, CompareStored, CompareStoredInput
from trueup.domains.telemetry.progress import telling
from trueup.kernel.work.context import JobContext
from trueup.kernel.work.handlers import handler

MEMORY = 8 << 30  # bytes of address space, of which a comparison touches a few hundred MiB


@handler(KIND, args=CompareStoredInput, max_attempts=2, timeout=3600.0, memory=MEMORY, child=True)
def compare(job: JobContext) -> dict[str, Any]:
    """Compare two uploaded files."""
    with telling(job.progress):
        value = job.run(CompareStored, job.input, step="compare")
    return {
        "verdict": value["verdict"],
        "findings": len(value["findings"]),
        "subject": value["subject"],
        "report": value["artifacts"]["report.html"],
    }
