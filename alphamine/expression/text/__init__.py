"""Formulas as text: parser, printers, LaTeX, and the dialects of other tools.

Text becomes `tokens`, then `syntax` (`pratt`), then nodes (`dialects`); `parser.parse` does all
three, and `printer.to_text` the way back.
"""
