"""What a search leaves: the run directory, its ledger, and the one look at its test split."""
