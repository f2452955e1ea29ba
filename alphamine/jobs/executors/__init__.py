"""Who judges a batch of formulas: this process, others on this machine, or a Ray cluster."""
