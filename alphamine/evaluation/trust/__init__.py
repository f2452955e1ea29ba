"""Can the numbers be believed: overlap, trial counts, multiple testing, overfitting."""
