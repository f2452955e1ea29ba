"""The language: the expression tree and its canonical form, its text, and its grammar."""
