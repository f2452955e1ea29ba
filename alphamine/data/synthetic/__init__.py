"""The synthetic market: the embedded dataset, whose true alphas are known.

`settings` say what it is made of, `shocks` draw all that is random, `market` simulates it day by
day, and `scores` evaluate the planted formulas on the way, by the operators' references alone.
"""
