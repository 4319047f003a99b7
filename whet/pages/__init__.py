"""Pages that load nothing: one file, escaped text, figures drawn in."""
