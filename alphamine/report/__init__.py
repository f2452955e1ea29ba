"""Figures and the single-file report of a run."""
