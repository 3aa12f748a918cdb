"""Figures by matplotlib: activations, training curves, layers over time, searches, maps, loss surfaces.

May import: every room below view; nothing below imports it.  matplotlib is imported when a figure is drawn.
Start reading at ``canvas.py``, then ``curves.py``.
"""

from .activations import activation_values, plot_activations
from .curves import plot_curves
from .images import plot_images
from .layers import plot_layers
from .maps import plot_map
from .study import plot_courses, plot_history, plot_importance, plot_slices
from .surfaces import SURFACES, logistic_loss, neuron_loss, plot_loss_surface, surface

__all__ = [
    "SURFACES",
    "activation_values",
    "logistic_loss",
    "neuron_loss",
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
    "surface",
]
