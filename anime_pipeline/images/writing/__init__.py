"""Pictures as files and sheets: what is drawn or enlarged, written down."""
