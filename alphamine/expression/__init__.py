"""The language: nodes, parser, printers, dialects, limits, and the grammar that searchers share."""
