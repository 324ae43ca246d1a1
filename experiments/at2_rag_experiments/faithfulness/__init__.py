"""How faithful scores and citations are, on questions whose evidence is known (section 4)."""
