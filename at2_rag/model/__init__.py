"""The model: loaded, and run while its attention is recorded."""
