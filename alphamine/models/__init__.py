"""Models that combine formulas into one signal: linear, trees, networks, dynamic weights."""
