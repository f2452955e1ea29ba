"""Formulas as text: parser, printers, LaTeX, and the dialects of other tools."""
