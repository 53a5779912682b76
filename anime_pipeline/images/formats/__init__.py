"""What picture formats say beyond what Pillow reads of them, each by its specification."""
