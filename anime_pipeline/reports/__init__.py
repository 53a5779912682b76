"""Measured results as CSV, JSON, Markdown and HTML."""
