"""nmt prepare: filter, encode and measure a corpus."""

from nmt.cli.arguments import Config, Overrides


def prepare(config: Config, overrides: Overrides = None) -> None:
    """Filter, encode and measure the corpus of an experiment; `nmt train` does it by itself."""
    from nmt.build.data import prepare_data
    from nmt.config import load_experiment

    print(prepare_data(load_experiment(config, overrides or ()), print).summary())
