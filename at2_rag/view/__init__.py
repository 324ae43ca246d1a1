"""Pages of HTML: texts of which every character has its place, shades, tables of scores."""
