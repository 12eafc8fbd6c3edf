"""nmt prepare: filter, encode and measure a corpus."""

from nmt.cli.arguments import Config, Overrides


def prepare(config: Config, overrides: Overrides = None) -> None:
    """Filter, encode and measure a corpus.

    `nmt train` does it by itself; what is prepared is reused until something changes.
    """
    from nmt.config import load_experiment
    from nmt.workflows.prepare import prepare_data

    print(prepare_data(load_experiment(config, overrides or ()), print).summary())
