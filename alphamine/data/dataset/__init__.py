"""From a dataset specification to a panel: loaded, checked and cached."""
