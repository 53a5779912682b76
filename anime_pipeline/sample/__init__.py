"""The drawn practice set: faces made by code, so that everything can be tried at once."""
