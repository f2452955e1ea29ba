"""Contracts for operators and searchers, ours and a plug-in's, and the inputs that break things."""

from .operators import check_operator
from .register import register_operator
from .searcher import check_searcher

__all__ = ["check_operator", "check_searcher", "register_operator"]
