"""Answers that depend on sources together, where a linear surrogate fails."""
