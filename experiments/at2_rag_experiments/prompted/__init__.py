"""Citations that a model is asked for in its prompt, beside those that attention gives."""
