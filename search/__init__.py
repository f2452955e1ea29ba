"""Searchers: interchangeable ways to propose formulas (see `base.Searcher`).

The package is also callable: `alphamine.search(panel, searcher="genetic", ...)` runs a search
(`alphamine.jobs.search.search`), since the public function and this package share their name.
"""

if __name__ != "alphamine.search":
    raise ImportError(f"import alphamine.search, not {__name__}")

import sys
from types import ModuleType
from typing import Any


class _CallablePackage(ModuleType):
    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        from alphamine.jobs.search import search

        return search(*args, **kwargs)


sys.modules[__name__].__class__ = _CallablePackage
