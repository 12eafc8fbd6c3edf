"""All of a run but the training."""

import tempfile
from datetime import datetime
from pathlib import Path

from rich.console import Console

from nmt.builders.trainer import build_trainer
from nmt.config.experiment import Experiment
from nmt.run import Run
from nmt.training.preflight import parameter_table, preflight, weight_memory


def dry_run(experiment: Experiment, console: Console) -> None:
    """Print the parameters, their memory and the preflight's estimates of a run from its beginning.

    Data are prepared and the model is drawn as for a run; the prepared corpus is all that stays.
    """
    tracking = experiment.tracking.model_copy(update={"wandb": "off"})
    with tempfile.TemporaryDirectory() as folder:
        trainer = build_trainer(
            experiment.model_copy(update={"tracking": tracking}), Run(Path(folder)), console
        )[0]
        say = trainer.progress.say
        for line in parameter_table(trainer.model):
            say(line)
        say(weight_memory(trainer))
        found = preflight(trainer)
        assert found is not None, "a run of no updates is refused by its configuration"
        say(found.line(datetime.now()))
