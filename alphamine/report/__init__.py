"""Figures and pages of runs, factors, backtests and comparisons.

`renderer` finds the figures and the page of a result; `html` fills the templates (`*.html.j2`,
which escape everything), `figures` draws. Results reach it through `alphamine.rendering`, so that
nothing below imports it.
"""
