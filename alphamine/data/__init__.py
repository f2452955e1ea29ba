"""Panels of daily data: where they come from, what they hold, what formulas are scored against.

`panel.Panel` is what everything above reads; `labels`, `splits` and `residual` define the targets,
and `risk` the styles. `sources` read files, `dataset` makes panels of them as a specification says,
and `synthetic` simulates the embedded market. May import `libraries`, `expression`, `operators`.
"""
