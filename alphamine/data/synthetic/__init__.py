"""The synthetic market: the embedded data set, whose true alphas are known."""
