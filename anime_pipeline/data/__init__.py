"""Datasets: readers, splits, the array cache, batches, degradations."""
