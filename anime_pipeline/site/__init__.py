"""The pages as a folder for any static host: visitors' browsers do the computing."""
