"""Searches as recorded jobs: the loop, the ledger, the run directory."""
