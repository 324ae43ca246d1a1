"""Sources beyond one passage list."""
