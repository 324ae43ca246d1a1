"""Whether scores tell answers that the passages support from answers that they do not."""
