"""How stable coefficients are over seeds."""
