"""Panels of daily data: where they come from, what they hold, what formulas are judged on."""
