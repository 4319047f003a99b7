"""One run, fully described."""
