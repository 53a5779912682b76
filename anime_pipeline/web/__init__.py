"""The page people play with, and the API below it."""
