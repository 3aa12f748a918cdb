"""Views: drawings of graphs, figures, tables for terminals, and the report of a training run.

May import: every room below; nothing below imports it.  matplotlib and igraph are imported when used.
Start reading at ``drawing.py`` (then ``layout.py`` and ``scene.py``), then ``report.py``.
"""

from .derivation import Derivation, derive
from .drawing import Drawing, draw
from .figures import (
    plot_activations,
    plot_courses,
    plot_curves,
    plot_history,
    plot_images,
    plot_importance,
    plot_layers,
    plot_loss_surface,
    plot_map,
    plot_slices,
)
from .page import Explanation, explain
from .report import Figure, Paragraph, Sample, Settings, Table, render_report, write_report, write_run_views
from .text import format_records, format_table

__all__ = [
    "Derivation",
    "Drawing",
    "Explanation",
    "Figure",
    "Paragraph",
    "Sample",
    "Settings",
    "Table",
    "derive",
    "draw",
    "explain",
    "format_records",
    "format_table",
    "plot_activations",
    "plot_courses",
    "plot_curves",
    "plot_history",
    "plot_images",
    "plot_importance",
    "plot_layers",
    "plot_loss_surface",
    "plot_map",
    "plot_slices",
    "render_report",
    "write_report",
    "write_run_views",
]
