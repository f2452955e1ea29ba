"""Placeholder until its operators land."""

from .catalogue import Operator

OPERATORS: tuple[Operator, ...] = ()
