"""nmt prepare: filter, encode and measure a corpus."""

from nmt.cli.arguments import Config, Overrides


def prepare(config: Config, overrides: Overrides = None) -> None:
    """Filter, encode and measure a corpus.

    `nmt train` does it by itself; what is prepared is reused until something changes.
    """
    from nmt.builders.data import prepare_data
    from nmt.config import load_experiment

    print(prepare_data(load_experiment(config, overrides or ()), print).summary())
