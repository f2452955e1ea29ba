"""Helpers of exported code, copied into it as they stand; one module a library."""
