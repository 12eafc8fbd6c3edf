"""nmt prepare: filter and encode a corpus."""

from nmt.cli.arguments import Config, Overrides


def prepare(config: Config, overrides: Overrides = None) -> None:
    """Filter and encode a corpus, and print its size.

    `nmt train` does this itself; prepared data is reused until something changes.
    """
    from nmt.config import load_experiment
    from nmt.workflows.prepare import prepare_data

    print(prepare_data(load_experiment(config, overrides or ()), print).summary())
