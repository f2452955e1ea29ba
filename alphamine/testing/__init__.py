"""Contracts that any operator must pass, ours and a plug-in's, and the inputs that break things."""

from .operators import check_operator
from .register import register_operator

__all__ = ["check_operator", "register_operator"]
