"""Helpers of exported code, copied into it as they stand; one module for each library.

They import nothing of alphamine, since a bundle runs without it.
"""
