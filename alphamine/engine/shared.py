"""What engines of panels that begin alike have in common, so that no two of them hold it."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np

from alphamine.data.panel import Panel

from .native import Library, Workspace
from .storage import Padded, PanelArrays


class Shared:
    """Padded arrays of a panel, and the buffers of the kernel library.

    For engines of this panel, or of its first rows, that work one after the other.

    Parameters
    ----------
    panel : Panel
    dtype : numpy dtype
    prepared : mapping of str to array, optional
        Padded arrays by name that are there already (see `PanelArrays.prepare`).
    """

    def __init__(
        self,
        panel: Panel,
        dtype: np.dtype[np.floating],
        prepared: Mapping[str, Padded] = MappingProxyType({}),
    ) -> None:
        self._whole = PanelArrays(panel, dtype, prepared=prepared)
        self._workspace: Workspace | None = None

    def arrays(self, panel: Panel) -> PanelArrays:
        """Those of the panel, whose rows are the first of the shared one."""
        return PanelArrays(panel, self._whole.dtype, self._whole)

    def workspace(self, library: Library) -> Workspace:
        """The only one."""
        if self._workspace is None:
            self._workspace = Workspace(library)
        return self._workspace
