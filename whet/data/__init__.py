"""Raw files to examples, and examples to tokens. No torch."""
