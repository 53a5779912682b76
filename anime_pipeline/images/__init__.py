"""Pictures as files and as RGB arrays."""
