"""Can the numbers be believed: overlap, trial counts, multiple testing, overfitting.

Statistics of plain daily series, each in a module with its source: `verdict.judge_trust` sums them
up in a word, `inference` tests means of overlapping returns, `deflation` allows for the number of
trials, `selection` for multiple tests, `online` for tests over years.
"""
