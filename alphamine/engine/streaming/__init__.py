"""Values of formulas day by day: one day in, its values out, equal to those of the whole panel."""

from .streams import Stream, stream

__all__ = ["Stream", "stream"]
