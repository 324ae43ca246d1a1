"""How many examples and ablations are enough."""
