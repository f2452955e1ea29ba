"""What alphamine and its peers cost: `python -m benchmarks`."""
