"""The training loop: step, validate, keep the best, save, stop, resume. It knows no kind of model."""

import math
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing
from dataclasses import asdict
from typing import Any

import torch
from torch import Tensor, nn

from nmt.config.training import TrainingConfig
from nmt.data.batches import Batch, TrainingBatches
from nmt.errors import Diverged, UserError
from nmt.tasks.task import Task, Validation
from nmt.training.checkpoint import Checkpoints, DamagedCheckpoint, rng_state, set_rng_state
from nmt.training.distributed import ALONE, Processes
from nmt.training.memory import give_back
from nmt.training.optim import (
    Ema,
    Schedule,
    fill,
    make_optimizer,
    mean_weights,
    step_if_finite,
    weights_of,
)
from nmt.training.progress import Progress
from nmt.training.saved import Progressed, Saved, Window, check_tensors
from nmt.training.signals import Signals
from nmt.training.splitting import Splitting
from nmt.training.tracking import Tracker

# What no two runs share: logged figures, and fields of Progressed.
TIMES = frozenset({"train/minutes", "train/trg_tokens_per_s", "validation/seconds"})
CLOCKS = frozenset({"seconds", "cpu_seconds", "updating_seconds"})


class Interrupted(Exception):
    """A signal asked the run to stop; everything is saved."""


def _is_bad(name: str, value: float) -> bool:
    # Perplexity, the exponential of a finite loss, may be infinite.
    return math.isnan(value) or (name == "loss" and math.isinf(value))


ADVICE = (
    "try, in another --run, a lower training.optimizer.lr, a longer warmup, a smaller training.clip_norm or "
    "training.precision: float32; the last checkpoint and the best weights so far are kept"
)


class Trainer:
    """Trains a model on a task from batches, within the budgets of its configuration."""

    def __init__(
        self,
        *,
        model: nn.Module,
        task: Task,
        batches: TrainingBatches,
        config: TrainingConfig,
        precision: torch.dtype,
        device: torch.device,
        checkpoints: Checkpoints,
        tracker: Tracker,
        progress: Progress,
        keep_best: Callable[[], None],
        identity: dict[str, str],
        processes: Processes = ALONE,
    ) -> None:
        self.model, self.task, self.batches, self.config = model, task, batches, config
        self.device, self.precision = device, precision
        self.checkpoints, self.tracker, self.progress = checkpoints, tracker, progress
        self.keep_best, self.identity, self.processes = keep_best, identity, processes
        self.parameters = dict(model.named_parameters())
        self.optimizer = make_optimizer(config.optimizer, list(self.parameters.values()))
        self.schedule = Schedule(config.schedule)
        averaging = config.averaging
        self.ema = Ema(self.parameters, averaging.decay) if averaging.kind == "ema" else None
        self.splitting = Splitting(config.accumulate, device, undo=self._forget, say=progress.say)
        self.at = Progressed()
        self._window = Window()
        self._happened: list[Tensor] = []  # loss, nll, count, norm (4,) of each update not yet settled
        self._signals = Signals()
        self._elsewhere = 0.0  # seconds of this process's loop that did not go into updates

    def train(self) -> Progressed:
        """Train until a budget is used up or validation no longer improves; return how far it came.

        Raises UserError when the model diverged, Interrupted after a signal that asks to stop. A signal
        ends the update or the validation that is under way, and all is saved; a validation that is due, or
        was cut off, is made by the run that goes on.
        """
        began, cpu_began = time.perf_counter(), time.process_time()
        at = self.at
        before = self.processes.of_first(lambda: (at.seconds, at.updating_seconds, at.cpu_seconds))

        def meet() -> bool:
            """Take the time, which is the first process's, and say whether any of them was asked to stop."""
            spent = time.perf_counter() - began
            times = spent, spent - self._elsewhere, time.process_time() - cpu_began
            mine = torch.tensor([*times, self._signals.asked], dtype=torch.float64)
            seconds, updating, cpu_seconds, asked = self.processes.gather(mine).view(-1, 4).T.tolist()
            at.seconds, at.updating_seconds = before[0] + seconds[0], before[1] + updating[0]
            at.cpu_seconds = before[2] + sum(cpu_seconds)
            return any(asked)

        self._window.began, self._elsewhere = began, 0.0
        self.model.train()
        with self._signals, self.progress, closing(self.batches):
            stopping, unsaved = meet(), False
            while True:
                # Before a save, whose checkpoint then knows of it; a signal does not wait for it.
                if not stopping and self._validation_due():
                    unsaved = self._validate() or unsaved
                    stopping = meet()
                if unsaved and (stopping or at.update % self.config.save_every == 0 or self.over()):
                    self._save()
                if stopping:
                    raise Interrupted
                if self.over():
                    return at
                self.update()
                stopping, unsaved = meet(), True

    def resume(self) -> bool:
        """Go on from the newest whole checkpoint; return False if there is none.

        What was logged after it is cut off. Raises UserError when no checkpoint is whole, or when the
        newest was trained on something else or by another number of processes.
        """
        found = self.processes.of_first(self.checkpoints.newest)
        if found is None:
            self.tracker.truncate_after(0)
            return False
        step, groups, content, damaged = found
        for line in damaged:
            self.progress.say(f"damaged, not used: {line}; going on from step {step}")
        state = Saved.of(content, self.checkpoints.path(step))
        for key, value in self.identity.items():
            if state.identity.get(key) != value:
                raise UserError(
                    f"{self.checkpoints.path(step)} was trained with other {key} "
                    f"({str(state.identity.get(key))[:12]}, now {value[:12]}); give another --run"
                )
        if state.processes != self.processes.size:
            raise UserError(
                f"wrong world size: {self.checkpoints.path(step)} is of {state.processes} processes, found "
                f"{self.processes.size}; start as many (torchrun --nproc-per-node {state.processes}), or "
                "give another --run"
            )
        try:
            check_tensors(groups, self.parameters, ema=self.ema is not None)
            self._load(groups, state)
        except (KeyError, ValueError, RuntimeError) as error:
            reason = str(error).partition("\n")[0]
            raise UserError(
                f"{self.checkpoints.path(step)} does not fit this run ({reason}); delete it or give "
                "another --run"
            ) from error
        self.tracker.truncate_after(self.at.update)
        return True

    def _load(self, groups: dict[str, dict[str, Tensor]], state: Saved) -> None:
        fill(self.parameters, groups["model"])
        for name, parameter in self.parameters.items():
            slots = {
                k.rsplit("/", 1)[1]: v for k, v in groups["optimizer"].items() if k.rsplit("/", 1)[0] == name
            }
            self.optimizer.state[parameter] = {k: v.to(self.device) for k, v in slots.items()}
        if self.ema is not None:
            self.ema.load(groups["ema"], state.ema_updates)
        self.schedule.load_state(state.schedule)
        carried = groups.get("carried", {})
        self.batches.load_state(state.batches, {k: self.processes.own(v) for k, v in carried.items()})
        self.at, self._window = state.at, state.window
        set_rng_state({k: self.processes.own(v) for k, v in groups["rng"].items()}, self.device)

    def _share_used(self) -> float:
        """Return the largest share of a budget that is used up, 0 … 1."""
        config, shares = self.config, [0.0]
        if config.max_updates is not None:
            shares.append(self.at.update / config.max_updates)
        if config.max_epochs is not None:
            epoch = self.batches.epoch + self.batches.position / self.batches.per_epoch
            shares.append(epoch / config.max_epochs)
        if config.max_minutes is not None:
            shares.append(self.at.seconds / 60 / config.max_minutes)
        return max(shares)

    def over(self) -> bool:
        """Say whether a budget is used up or validation no longer improves; not before the first update."""
        patience = self.config.patience
        tired = patience is not None and self.at.validations_without_improvement >= patience
        return tired or (self.at.update > 0 and self._share_used() >= 1.0)

    def _validation_due(self) -> bool:
        at = self.at
        return at.validated_update != at.update and (
            at.update % self.config.validate_every == 0 or self.over()
        )

    def _autocast(self) -> AbstractContextManager[Any]:
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.precision == torch.bfloat16)

    def update(self) -> None:
        """Make one update: a batch, its gradient, one step of the optimiser.

        The host does not wait for the device here; what came of it is read by settle.
        """
        used = self._share_used()
        sums = self._gradients(next(self.batches))
        self.processes.add_up(sums, self.parameters.values())
        gradients = [p.grad for p in self.parameters.values() if p.grad is not None]
        torch._foreach_div_(gradients, sums[2].to(gradients[0].dtype))
        clip = self.config.clip_norm
        norm = nn.utils.clip_grad_norm_(self.parameters.values(), math.inf if clip is None else clip)
        self.at.update += 1
        self._apply(used, finite=sums[0].isfinite() & norm.isfinite())
        self._happened.append(torch.cat([sums, norm.double().unsqueeze(0)]))
        self._forget()
        if self.at.update % self.config.log_every == 0:
            self._log()

    def trial(self, batch: Batch) -> Tensor:
        """Compute a batch as an update would and forget its gradients; return loss, nll and count (3,)."""
        sums = self._gradients(batch)
        self._forget()
        self.processes.add_up(sums)
        return sums

    def _gradients(self, batch: Batch) -> Tensor:
        """Add the gradients of a batch on the host; return its sums loss, nll and count (3,), float64."""
        if not len(batch):  # it had fewer rows than there are processes
            return torch.zeros(3, dtype=torch.float64, device=self.device)
        return self.splitting.sum(self._forward_backward, batch)

    def _forward_backward(self, piece: Batch) -> Tensor:
        with self._autocast():
            part = self.task.loss(self.model, piece.to(self.device))
        part.loss.backward()
        loss = part.loss.detach().double()
        return torch.stack([loss, part.nll.double(), torch.full_like(loss, part.count)])

    def _forget(self) -> None:
        self.optimizer.zero_grad(set_to_none=True)

    def _apply(self, used: float, *, finite: Tensor) -> None:
        rate = self.config.optimizer.lr * self.schedule.factor(self.at.update, used)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        step_if_finite(self.optimizer, finite)
        if self.ema is not None:
            self.ema.update()

    def settle(self) -> None:
        """Wait for the device and take in what came of the updates since the last call.

        Raises UserError when too many updates in a row were not finite.
        """
        if not self._happened:
            return
        happened, self._happened = torch.stack(self._happened).tolist(), []
        clip = self.config.clip_norm
        for update, (loss, nll, count, norm) in enumerate(happened, self.at.update - len(happened) + 1):
            if math.isfinite(norm) and math.isfinite(loss):
                tokens, clipped = int(count), clip is not None and norm > clip
                self._window.add(loss, nll, tokens, norm, clipped=clipped)
                self.at.trg_tokens, self.at.skipped_in_row = self.at.trg_tokens + tokens, 0
            else:
                self._skipped(update, loss, norm)

    def _skipped(self, update: int, loss: float, norm: float) -> None:
        self.at.skipped, self.at.skipped_in_row = self.at.skipped + 1, self.at.skipped_in_row + 1
        self.progress.say(f"update {update} skipped: loss {loss}, gradient norm {norm}")
        if self.at.skipped_in_row >= self.config.max_bad_updates:
            raise UserError(
                f"the model diverged: {self.at.skipped_in_row} updates in a row were not finite (the last: "
                f"loss {loss}, gradient norm {norm}); {ADVICE}"
            )

    def _log(self) -> None:
        self.settle()
        window, self._window = self._window, Window()
        seconds = max(time.perf_counter() - window.began, 1e-9)
        figures: dict[str, float | int] = {
            "train/lr": self.optimizer.param_groups[0]["lr"],
            "train/epoch": self.batches.epoch + self.batches.position / self.batches.per_epoch,
            "train/skipped": self.at.skipped,
            "train/minutes": self.at.seconds / 60,
            "train/trg_tokens_per_s": window.tokens / seconds,
        }
        if window.updates:
            figures |= {
                "train/loss": window.loss / window.tokens,
                "train/nll": window.nll / window.tokens,
                "train/gradient_norm": window.norms / window.updates,
                "train/clipped_share": window.clipped / window.updates,
            }
        self.tracker.log(self.at.update, figures)
        self.progress.show(self.at.update, self._share_used(), figures)

    def _validated_weights(self) -> dict[str, Tensor] | None:
        """Return the weights that are validated and kept, None for the present ones."""
        averaging = self.config.averaging
        if averaging.kind == "ema" and self.ema is not None:
            return self.ema.average
        if averaging.kind == "checkpoints":
            earlier = [s for s in self.checkpoints.due() if s < self.at.update][-(averaging.last - 1) :]
            return mean_weights(self._weights(earlier))
        return None

    def _weights(self, steps: list[int]) -> Iterator[dict[str, Tensor]]:
        """Yield the weights of these checkpoints, one after the other, and the present ones."""
        for step in steps:
            try:
                saved = self.checkpoints.load(step, only="model")[0]["model"]
            except DamagedCheckpoint as error:
                self.progress.say(f"damaged, not averaged: {error}")
                continue
            yield {name: weight.to(self.device) for name, weight in saved.items()}
        yield {name: p.detach() for name, p in self.parameters.items()}

    def _validate(self) -> bool:
        """Validate, log it and return True; False where a signal cut it off.

        Raises UserError when the model diverged.
        """
        self.settle()
        began = time.perf_counter()
        found = self.processes.of_first(self._validated)
        if found is not None:
            validation, improved = found
            self._log_validation(validation, improved=improved, seconds=time.perf_counter() - began)
        self._elsewhere += time.perf_counter() - began
        self._window.began += time.perf_counter() - began
        return found is not None

    def _log_validation(self, validation: Validation, *, improved: bool, seconds: float) -> None:
        at = self.at
        at.validated_update = at.update
        at.validations_without_improvement = 0 if improved else at.validations_without_improvement + 1
        if improved:
            at.best, at.best_update = dict(validation.figures), at.update
        self.schedule.validated(improved=improved)
        figures = {f"validation/{name}": value for name, value in validation.figures.items()}
        self.tracker.log(
            at.update, {**figures, "validation/seconds": seconds, "validation/best": int(improved)}
        )
        self.tracker.samples(at.update, validation.samples, validation.attended)
        self.progress.validated(at.update, at.seconds / 60, validation.figures, improved=improved)

    def _validated(self) -> tuple[Validation, bool] | None:
        """Validate, keep the weights that are better than the best so far, and say whether they were.

        None where a signal cut it off.
        """
        give_back()
        self.model.eval()
        with weights_of(self.parameters, self._validated_weights()):
            try:
                with self._autocast():
                    validation = self._signals.unless_asked(lambda: self.task.validate(self.model))
            except Diverged:
                raise self._diverged("its outputs are not numbers") from None
            if validation is None:
                return None
            if bad := [name for name, value in validation.figures.items() if _is_bad(name, value)]:
                raise self._diverged(f"{bad[0]} {validation.figures[bad[0]]}")
            improved = not self.at.best or self.task.better(validation.figures, self.at.best)
            if improved:
                self.keep_best()
        self.model.train()
        return validation, improved

    def _diverged(self, found: str) -> UserError:
        return UserError(
            f"the model diverged: at the validation after update {self.at.update}, {found}; {ADVICE}"
        )

    def _save(self) -> None:
        self.settle()
        began = time.perf_counter()
        optimizer = {
            f"{name}/{slot}": value
            for name, parameter in self.parameters.items()
            for slot, value in self.optimizer.state[parameter].items()
        }
        groups: dict[str, dict[str, Tensor]] = {
            "model": {name: p.detach() for name, p in self.parameters.items()},
            "optimizer": optimizer,
            "rng": {k: self.processes.gather(v) for k, v in rng_state(self.device).items()},
        }
        if self.ema is not None:
            groups["ema"] = self.ema.average
        if carried := self.batches.carried():
            groups["carried"] = {k: self.processes.gather(v.cpu()) for k, v in carried.items()}
        state = {
            "at": asdict(self.at),
            "batches": self.batches.state(),
            "schedule": self.schedule.state(),
            "ema_updates": self.ema.updates if self.ema else 0,
            "window": self._window.sums(),
            "identity": self.identity,
            "processes": self.processes.size,
        }
        # A validation that is still to come may average what would be dropped.
        drop = not self._validation_due()
        self.processes.of_first(lambda: self.checkpoints.save(self.at.update, groups, state, drop=drop))
        self._elsewhere += time.perf_counter() - began
        self._window.began += time.perf_counter() - began
