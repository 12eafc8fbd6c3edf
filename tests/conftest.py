from hypothesis import settings

# Tests check behaviour, never speed: a busy machine is no failure.
settings.register_profile("nmt", deadline=None)
settings.load_profile("nmt")
