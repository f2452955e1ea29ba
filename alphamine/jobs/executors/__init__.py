"""Who scores a batch of formulas: this process, others on this machine, or a Ray cluster."""
