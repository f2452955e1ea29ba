"""The set of alphas that a search keeps: admission, mutual correlation, the members combined."""
