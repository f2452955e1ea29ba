"""What data is read from: files, frames, tables and directories, as raw arrays.

A source subclasses `base.Source` and returns `raw.RawData`; those that are built in are in `kinds`,
and `registry` knows all by name, those of plug-ins too. `keys` (one floor up), `columns` and
`numbers` decide how cells are read, the same for every kind of table.
"""
