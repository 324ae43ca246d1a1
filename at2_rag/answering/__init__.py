"""All together: from a question to a cited answer."""
