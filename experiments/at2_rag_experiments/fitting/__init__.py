"""Estimators fitted again and again to parts of what was collected."""
