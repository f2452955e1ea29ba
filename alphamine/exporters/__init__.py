"""Signals outside: code for other libraries, bundles that prove themselves."""

from .bundle import Bundle, export, load_bundle

__all__ = ["Bundle", "export", "load_bundle"]
