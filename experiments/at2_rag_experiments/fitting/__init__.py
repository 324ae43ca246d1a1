"""Records of examples, estimators fitted to them, and pools to fit to parts of again and again."""
