"""The same as `nmt translate`."""

from nmt.cli import main

# A worker process imports this file.
if __name__ == "__main__":
    main("translate")
