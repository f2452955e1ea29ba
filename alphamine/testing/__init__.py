"""Contracts for plug-ins of each kind, ours and others', and the inputs that break things.

One `check_*` function for each kind, public for the tests of whoever writes one; `corpus` and
`samples` hold the inputs. `register.register_operator` checks an operator before it is added. May
import everything but the command line.
"""

from .backend import check_backend
from .exporter import check_exporter
from .operators import check_operator
from .register import register_operator
from .searcher import check_searcher
from .source import check_source

__all__ = [
    "check_backend",
    "check_exporter",
    "check_operator",
    "check_searcher",
    "check_source",
    "register_operator",
]
