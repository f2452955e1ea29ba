"""From a dataset specification to a panel: loaded, checked and cached.

`load` is `alphamine.load`; `specfile` reads a specification, `compose` builds its panel, `cache`
keeps it, `check` and `findings` report what is wrong with the data. `ledger` counts what was ever
tried on a dataset. The keys of a specification are in `alphamine.data.spec`.
"""
