"""Configuration → objects: the only place that switches on a `kind`."""
