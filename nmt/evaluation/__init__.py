"""From hypotheses and references to numbers, alignments and tables."""
