"""Evaluation at speed: batches of formulas as one program, on numpy or the C++ kernels."""
