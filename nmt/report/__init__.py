"""The report on runs: one page that needs nothing else, and the table of a paper."""
