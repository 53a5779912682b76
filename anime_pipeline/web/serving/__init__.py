"""The HTTP layer: connections, limits, refusals; it knows no model and no address."""
