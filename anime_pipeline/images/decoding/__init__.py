"""Decoding pictures of strangers: within limits, in a process that can be ended."""
