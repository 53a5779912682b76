"""Errors, configuration, storage and randomness: no machine-learning imports."""
