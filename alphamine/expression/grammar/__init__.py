"""Which formulas there are, and how to sample, build and edit them: what searchers share."""
