"""Pages of HTML: texts whose every character is told apart, shades, tables of scores; no answers."""
