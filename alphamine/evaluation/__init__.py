"""Judging formulas: reports, backtests, and how far to believe them.

`evaluate.evaluate` makes a `report.FactorReport`, of whose long form (`detail`) `quantiles`,
`decay`, `exposure` and others are parts; `batch` scores many formulas. `backtest` trades a signal,
and `trust` allows for luck. May import `engine` and what is below it: no pools, searches or runs.
"""
