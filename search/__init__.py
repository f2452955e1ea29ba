"""Searchers: interchangeable ways to propose formulas (see `base.Searcher`)."""

if __name__ != "alphamine.searchers":
    raise ImportError(f"import alphamine.searchers, not {__name__}")
