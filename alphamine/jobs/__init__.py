"""Searches as jobs: the loop, the scorer, the executors."""
