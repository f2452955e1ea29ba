"""Judging formulas: one report for one formula."""
