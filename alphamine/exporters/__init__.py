"""Signals outside: code for other libraries, bundles that prove themselves.

`bundle.export` writes a directory that computes a signal without alphamine. `targets` names the
exporters; each `*_target` prints the operators' recipes (`operators.recipes`) for one library, and
the helpers that its code calls are in `kits`.
"""

from .bundle import Bundle, export, load_bundle

__all__ = ["Bundle", "export", "load_bundle"]
