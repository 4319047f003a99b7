"""How good the answers are, and how sure one can be of it."""
