"""Whether findings hold on another architecture."""
