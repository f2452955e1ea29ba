"""Figures and pages of runs, factors, backtests and comparisons."""
