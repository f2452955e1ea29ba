"""alphamine inside the libraries of others; each module needs its library.

Exported code (`alphamine.exporters`) runs without alphamine; what is here calls it.
"""
