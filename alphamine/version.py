"""The version of alphamine, for whatever is recorded or cached under it."""

from typing import Final

__version__: Final = "0.2.0"
