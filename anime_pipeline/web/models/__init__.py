"""The models behind a queue: which there are, whose job is next, pictures that are sent."""
