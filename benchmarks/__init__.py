"""What alphamine and its peers cost: `python -m benchmarks`."""

import os

# What is measured here is nobody's try at finding anything.
os.environ["ALPHAMINE_LEDGER"] = "off"
