"""The report of a comparison: one self-contained HTML page."""

from trueup.domains.telemetry.report.page import render_html

__all__ = ["render_html"]
