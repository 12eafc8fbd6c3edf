"""An experiment and a run folder → a trainer, ready to start or resume."""

import os
import re
import tempfile
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import torch
from rich.console import Console
from torch import nn

from nmt import machine
from nmt.builders.embeddings import check_embeddings, fill_embeddings
from nmt.builders.hardware import choose_device, choose_precision
from nmt.builders.kinds import build_trained_model, kind_of, mixture_of, validation_by_tag
from nmt.builders.objective import build_objective
from nmt.builders.optimizer import build_pace, build_recipe
from nmt.builders.room import least_vocabularies, refuse_too_large, room_of
from nmt.builders.trained import freeze, start_from
from nmt.config.experiment import Experiment
from nmt.config.loading import changed_keys
from nmt.config.model import ModelConfig
from nmt.config.tracking import TrackingConfig
from nmt.data.prepared import Prepared
from nmt.errors import UserError
from nmt.run import Run
from nmt.training.checkpoint import Checkpoints
from nmt.training.distributed import SINGLE, Processes
from nmt.training.preflight import parameter_table, preflight, weight_memory
from nmt.training.progress import Progress
from nmt.training.recipe import Records
from nmt.training.tracking import NoTracker, Tracker
from nmt.training.trainer import Trainer
from nmt.workflows.prepare import prepare_in_subprocess

# Keys and whole sections that a resumed run may change; in each of data.corpora those of data.
MAY_CHANGE = (
    "training.max_updates",
    "training.max_epochs",
    "training.max_minutes",
    "training.validate_every",
    "training.save_every",
    "training.keep_checkpoints",
    "training.patience",
    "tracking",
    "data.dataset",
    "data.revision",
    "data.streaming",
    "data.files",
    "data.tsv",
    "data.labelled",
    "data.text.train",
    "data.text.validation",
    "data.text.test",
    "data.prepared",
    "data.src",  # for a dataset, the checksums of the texts show a change
    "data.trg",
    "decoding",
)


def build_trainer(
    experiment: Experiment, run: Run, console: Console, processes: Processes = SINGLE
) -> tuple[Trainer[nn.Module], Prepared, Tracker]:
    """Return the trainer of this process, resumed from the newest checkpoint if the run has one.

    Of several processes only the main process writes there. Raises UserError if the folder holds a run with
    another configuration (a key that may not change) or another number of processes.
    """
    config, kind = experiment.training, kind_of(experiment)
    checkpoints = Checkpoints(run.checkpoints, keep=config.keep_checkpoints, every=config.save_every)
    begun = processes.on_main(lambda: _begun(run, experiment, checkpoints))
    if config.tokens_per_batch < processes.size:
        raise UserError(
            f"wrong number of processes: {processes.size}, and training.tokens_per_batch is "
            f"{config.tokens_per_batch} for all together; raise it, or start fewer"
        )
    device = processes.device(choose_device(config.device))
    precision = processes.on_main(lambda: choose_precision(config.precision, device))
    room = room_of(device)
    refuse_too_large(experiment, *least_vocabularies(experiment.data), precision, room)
    if not begun:
        processes.on_main(lambda: check_embeddings(experiment))
    torch.set_num_threads(config.threads or machine.threads())
    progress = Progress(console)
    began = time.perf_counter(), _cpu_seconds()
    prepared = processes.after_main(lambda: prepare_in_subprocess(experiment, progress.log))
    took = time.perf_counter() - began[0], _cpu_seconds() - began[1]
    _describe(experiment, prepared, progress.log)
    src, trg = prepared.src_tokenizer, prepared.trg_tokenizer
    if not begun:
        processes.on_main(lambda: run.save_tokenizers(prepared.folder / "tokenizer"))
    refuse_too_large(experiment, len(src.vocabulary), len(trg.vocabulary), precision, room)
    torch.manual_seed(experiment.seed)
    model = build_trained_model(experiment, len(src.vocabulary), len(trg.vocabulary))
    if not begun:
        processes.after_main(lambda: fill_embeddings(experiment, prepared, model, progress.log))
        if config.init_from is not None:
            start = Path(config.init_from)
            processes.after_main(lambda: start_from(start, model, kind, prepared))
            progress.log(f"starting with the weights of {start}")
    freeze(model, config.freeze)
    model = model.to(device, torch.float64 if precision == torch.float64 else None)
    processes.reseed()
    # On a CPU a batch takes less than 1 % of an update, and a thread would cost as much.
    batches = kind.build_batches(experiment, prepared, processes, 4 if device.type == "cuda" else 0)
    tracker = Tracker(run.folder, experiment) if processes.is_main else NoTracker()
    records = Records(
        checkpoints=checkpoints,
        tracker=tracker,
        progress=progress,
        keep_best=lambda: run.save_model(model, (src.fingerprint, trg.fingerprint), experiment),
        identity={
            "data": prepared.meta.splits["train"].sha256,
            "validation data": prepared.meta.splits["validation"].sha256,
            "tokenizers": f"{src.fingerprint} {trg.fingerprint}",
        },
    )
    trainer = Trainer(
        model=model,
        objective=build_objective(kind, experiment, prepared, device),
        task=kind.build_task(experiment, prepared, device, tracker.shows_pictures),
        batches=batches,
        recipe=build_recipe(config, model, precision, device, records),
        pace=build_pace(config),
        records=records,
        processes=processes,
    )
    each = f"{processes.size} processes of " if processes.size > 1 else ""
    progress.log(
        f"{sum(p.numel() for p in model.parameters()):,} parameters, {len(trg.vocabulary):,} target tokens, "
        f"{batches.per_epoch} batches per epoch, {batches.padding_share:.1%} of positions are padding, "
        f"{str(precision).removeprefix('torch.')} on {device}, "
        f"{each}{torch.get_num_threads()} threads"
    )
    if trainer.resume():
        progress.log(f"continuing from update {trainer.at.update} of {run.folder}")
    else:
        trainer.at.seconds, trainer.at.cpu_seconds = took
    processes.on_main(lambda: run.save_experiment(experiment))
    return trainer, prepared, tracker


def _describe(experiment: Experiment, prepared: Prepared, log: Callable[[str], None]) -> None:
    """Print what was prepared, what an epoch reads of several corpora, and remarks on BLEU's tokenizers."""
    log(prepared.summary())
    if mixture := mixture_of(experiment, prepared):
        read = (f"{count:,} of corpus {number}" for number, count in enumerate(mixture.counts(0)))
        log(f"  an epoch reads  {', '.join(read)}")
    if isinstance(experiment.model, ModelConfig):
        for remark in dict.fromkeys(each.remark for each in validation_by_tag(experiment, prepared)):
            if remark:
                log(remark)


def _cpu_seconds() -> float:
    """Return the CPU time in seconds of this process and its ended subprocesses."""
    return sum(os.times()[:4])


def _begun(run: Run, experiment: Experiment, checkpoints: Checkpoints) -> bool:
    """Return whether the run can be resumed; raises UserError if it is another experiment's."""
    checkpoints.repair()
    if checkpoints.steps():
        refuse_changes(run, experiment)
        return True
    if run.result.is_file():
        raise UserError(
            f"{run.folder} holds a finished run without checkpoints, so it cannot continue; "
            "give another --run, or delete the folder to train again"
        )
    return False


def refuse_changes(run: Run, experiment: Experiment) -> None:
    """Raise UserError that names every changed key with which the run would be another experiment."""
    changed = [
        f"{key} (was {was!r}, now {now!r})"
        for key, was, now in changed_keys(run.experiment(), experiment)
        if key != "name" and not _may_change(key)
    ]
    if changed:
        raise UserError(
            f"{run.folder} was begun with another configuration: {', '.join(changed)}; "
            "give another --run, or restore the values to continue"
        )


def _may_change(key: str) -> bool:
    of_corpus = re.sub(r"^data\.corpora\.\d+\.", "data.", key)
    return any(f"{of_corpus}.".startswith(f"{free}.") for free in MAY_CHANGE)


def run_folder(experiment: Experiment, folder: Path | None) -> Run:
    """Return the run folder of an experiment: the given one, or runs/NAME."""
    return Run(folder or Path("runs") / experiment.name)


def dry_run(experiment: Experiment, console: Console) -> None:
    """Print the parameters, their memory and the preflight's estimates for a new run.

    Data are prepared and the model is initialised as for a run; only the prepared corpus is kept.
    """
    with tempfile.TemporaryDirectory() as folder:
        untracked = experiment.model_copy(update={"tracking": TrackingConfig()})
        trainer = build_trainer(untracked, Run(Path(folder)), console)[0]
        log = trainer.progress.log
        for line in parameter_table(trainer.model):
            log(line)
        log(weight_memory(trainer))
        found = preflight(trainer)
        assert found is not None, "a run of no updates is refused by its configuration"
        log(found.line(datetime.now()))
