"""Ground truth: what leaving sources out really does to an answer."""
