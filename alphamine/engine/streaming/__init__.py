"""Values of formulas day by day: one day in, its values out, equal to those of the whole panel.

`streams.Stream` is the entrance; `intake` checks a day, `rings` hold the last rows of every node of
a `plan`, `history` the days themselves, and `state` saves them.
"""

from .streams import Stream, stream

__all__ = ["Stream", "stream"]
