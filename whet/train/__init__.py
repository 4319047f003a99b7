"""One loop, and what surrounds it."""
