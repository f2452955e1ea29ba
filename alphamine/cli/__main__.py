"""`python -m alphamine.cli`."""

from . import main

main()
