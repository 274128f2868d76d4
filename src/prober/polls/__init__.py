"""Whether a target was up, look by look, and what a series of looks comes to. Pure functions over nouns."""
