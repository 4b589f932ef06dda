"""The report as one self-contained HTML file."""

from metta_sweep.report.html.page import html_report

__all__ = ["html_report"]
