"""Sets of pictures that are folders, object stores or tars: listed, told apart by state, read."""
