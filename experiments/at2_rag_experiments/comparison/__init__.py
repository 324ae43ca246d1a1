"""All methods side by side (section 4, appendix B)."""
