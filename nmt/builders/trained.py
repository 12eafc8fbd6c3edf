"""Trained runs that another training starts from or learns from."""

from pathlib import Path

import torch
from torch import nn

from nmt.builders.kinds import AnyKind, build_trained_model, kind_of
from nmt.data.prepared import Prepared
from nmt.errors import UserError
from nmt.run import Run
from nmt.tokenization.reversal import is_reversed
from nmt.tokenization.tokenizer import load_tokenizers


def load_trained(key: str, folder: Path, kind: AnyKind, prepared: Prepared) -> nn.Module:
    """Return the model of a run, on the CPU and in evaluation mode.

    key: of the configuration, for messages. Raises UserError where the folder holds no model of this kind
    with the tokens of the prepared data.
    """
    run = Run(folder)
    experiment = run.experiment()
    if kind_of(experiment) is not kind:
        raise UserError(
            f"{key}: {folder} is a run of model.kind {experiment.model.kind}, another than this run is of"
        )
    tokenizers = load_tokenizers(run.tokenizer)
    wanted = prepared.src_tokenizer, prepared.trg_tokenizer
    if is_reversed(tokenizers[1]) != is_reversed(wanted[1]):
        raise UserError(
            f"{key}: {folder} writes in the other direction than this run (data.reverse_target); take a run "
            "that writes in the same one"
        )
    for side, found, expected in zip(("source", "target"), tokenizers, wanted, strict=True):
        if found.fingerprint != expected.fingerprint:
            raise UserError(
                f"{key}: {folder} has other {side} tokens than this run: expected {len(expected.vocabulary)} "
                f"with fingerprint {expected.fingerprint[:12]}, found {len(found.vocabulary)} with "
                f"{found.fingerprint[:12]}; train this run with data.tokenizer {{kind: saved, path: "
                f"{run.tokenizer}}}"
            )
    src, trg = tokenizers
    model = run.load_model(
        lambda: build_trained_model(experiment, len(src.vocabulary), len(trg.vocabulary)),
        (src.fingerprint, trg.fingerprint),
        experiment,
    )
    return model.eval()


def start_from(folder: Path, model: nn.Module, kind: AnyKind, prepared: Prepared) -> None:
    """Give a model the weights of a run; raises UserError where its kind, tokens or shapes are others."""
    trained = load_trained("training.init_from", folder, kind, prepared)
    given, own = dict(trained.named_parameters()), dict(model.named_parameters())
    for name in [*own, *given]:
        shapes = [tuple(each[name].shape) if name in each else "none" for each in (own, given)]
        if shapes[0] != shapes[1]:
            raise UserError(
                f"training.init_from: {folder} does not fit this model: {name} should be {shapes[0]}, found "
                f"{shapes[1]}; take the section model of {Run(folder).config}"
            )
    with torch.no_grad():
        for name, parameter in own.items():
            parameter.copy_(given[name])


def freeze(model: nn.Module, names: tuple[str, ...]) -> None:
    """Keep parameters as they are, each by its name or all below one, such as encoder.

    Raises UserError for a name that is none, and where nothing is left to train.
    """
    for frozen in names:
        found = [p for name, p in model.named_parameters() if f"{name}.".startswith(f"{frozen}.")]
        if not found:
            parts = ", ".join(name for name, _ in model.named_children())
            raise UserError(
                f"training.freeze: {frozen} names no parameter; expected {parts}, or a name as "
                "nmt train --dry-run prints it"
            )
        for parameter in found:
            parameter.requires_grad_(False)
    if not any(parameter.requires_grad for parameter in model.parameters()):
        raise UserError("training.freeze leaves nothing to train; name fewer parameters")
