"""Search over any step scorer, and the translation of text with it."""
