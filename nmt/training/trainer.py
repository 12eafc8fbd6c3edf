"""The training loop: update, validate, keep the best, save, stop, resume. It knows no kind of model."""

import math
import time
from contextlib import AbstractContextManager, closing
from dataclasses import asdict
from typing import Generic, TypeVar

import torch
from torch import Tensor, nn

from nmt.data.batches import Batch, TrainingBatches
from nmt.errors import Diverged, UserError
from nmt.objectives.objective import Objective
from nmt.tasks.task import Task, Validation
from nmt.training.checkpoint import rng_state, set_rng_state
from nmt.training.distributed import SINGLE, Processes
from nmt.training.memory import trim_heap
from nmt.training.optim import fill, step_if_finite, weights_of
from nmt.training.recipe import Pace, Recipe, Records
from nmt.training.saved import Progressed, Saved, Window, check_tensors
from nmt.training.signals import Signals
from nmt.training.splitting import Splitting

# What differs between equal runs: logged metrics, and fields of Progressed.
TIMES = frozenset({"train/minutes", "train/trg_tokens_per_s", "validation/seconds"})
CLOCKS = frozenset({"seconds", "cpu_seconds", "updating_seconds"})


M = TypeVar("M", bound=nn.Module)


class Interrupted(Exception):
    """A signal stopped the run after everything was saved."""


def _is_bad(name: str, value: float) -> bool:
    # Perplexity, the exponential of a finite loss, may be infinite.
    return math.isnan(value) or (name == "loss" and math.isinf(value))


ADVICE = (
    "try, in another --run, a lower training.optimizer.lr, a longer warmup, a smaller training.clip_norm or "
    "training.precision: float32; the last checkpoint and the best weights so far are kept"
)


class Trainer(Generic[M]):
    """Trains a model by an objective on batches, and validates it by a task, within given budgets."""

    def __init__(
        self,
        *,
        model: M,
        objective: Objective[M],
        task: Task[M],
        batches: TrainingBatches,
        recipe: Recipe,
        pace: Pace,
        records: Records,
        processes: Processes = SINGLE,
    ) -> None:
        self.model, self.objective, self.task, self.batches = model, objective, task, batches
        self.recipe, self.pace, self.records, self.processes = recipe, pace, records, processes
        self.device, self.precision = recipe.device, recipe.precision
        self.optimizer, self.schedule, self.averaging = recipe.optimizer, recipe.schedule, recipe.averaging
        self.checkpoints, self.tracker, self.progress = records.checkpoints, records.tracker, records.progress
        self.parameters = dict(model.named_parameters())
        self.splitting = Splitting(recipe.accumulate, self.device, undo=self._forget, log=self.progress.log)
        self.at = Progressed()
        self._window = Window()
        self._pending: list[Tensor] = []  # loss, count, figures and norm of updates not yet flushed
        self._signals = Signals()
        self._other_seconds = 0.0  # seconds spent outside updates

    def train(self) -> Progressed:
        """Train until a budget is used up or validation no longer improves; return how far it came.

        Raises UserError if the model diverged, Interrupted after a signal that asks to stop. A signal lets
        the current update finish, interrupts a validation, and saves; the resumed run makes the validation.
        """
        began, cpu_began = time.perf_counter(), time.process_time()
        at = self.at
        before = self.processes.on_main(lambda: (at.seconds, at.updating_seconds, at.cpu_seconds))

        def synchronize() -> bool:
            """Set the times, those of the main process, and return whether any process was asked to stop."""
            spent = time.perf_counter() - began
            times = spent, spent - self._other_seconds, time.process_time() - cpu_began
            mine = torch.tensor([*times, self._signals.asked], dtype=torch.float64)
            seconds, updating, cpu_seconds, asked = self.processes.gather(mine).view(-1, 4).T.tolist()
            at.seconds, at.updating_seconds = before[0] + seconds[0], before[1] + updating[0]
            at.cpu_seconds = before[2] + sum(cpu_seconds)
            return any(asked)

        self._window.began, self._other_seconds = began, 0.0
        self.model.train()
        with self._signals, self.progress, closing(self.batches):
            stopping, unsaved = synchronize(), False
            while True:
                # Validate before saving, so that the checkpoint includes it; a signal skips it.
                if not stopping and self._validation_due():
                    unsaved = self._validate() or unsaved
                    stopping = synchronize()
                if unsaved and (stopping or at.update % self.pace.save_every == 0 or self.over()):
                    self._save()
                if stopping:
                    raise Interrupted
                if self.over():
                    return at
                self.update()
                stopping, unsaved = synchronize(), True

    def resume(self) -> bool:
        """Continue from the newest intact checkpoint; return False if there is none.

        Metrics logged after it are removed. Raises UserError if no checkpoint is intact, or if the newest
        was trained on other data or by another number of processes.
        """
        found = self.processes.on_main(self.checkpoints.newest)
        if found is None:
            self.tracker.truncate_after(0)
            return False
        step, groups, content, damaged = found
        for line in damaged:
            self.progress.log(f"damaged, not used: {line}; continuing from step {step}")
        state = Saved.of(content, self.checkpoints.path(step))
        for key, value in self.records.identity.items():
            if state.identity.get(key) != value:
                raise UserError(
                    f"{self.checkpoints.path(step)} was trained with other {key} "
                    f"({str(state.identity.get(key))[:12]}, now {value[:12]}); give another --run"
                )
        if state.processes != self.processes.size:
            raise UserError(
                f"wrong number of processes: {self.checkpoints.path(step)} was trained by {state.processes}, "
                f"found {self.processes.size}; start {state.processes} (--processes, or torchrun "
                "--nproc-per-node), or give another --run"
            )
        try:
            ema = bool(self.averaging.state()[0])
            check_tensors(groups, self.parameters, ema=ema, updates=state.at.update)
            self._load(groups, state)
        except (KeyError, ValueError, TypeError, RuntimeError) as error:
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
        self.averaging.load_state(groups.get("ema", {}), state.ema_updates)
        self.schedule.load_state(state.schedule)
        carried = groups.get("carried", {})  # recurrent states of long text
        self.batches.load_state(state.batches, {k: self.processes.own(v) for k, v in carried.items()})
        self.at, self._window = state.at, state.window
        set_rng_state({k: self.processes.own(v) for k, v in groups["rng"].items()}, self.device)

    def _used(self) -> float:
        """Return the largest fraction used of any budget."""
        return self.pace.used(self.at.update, self.epochs(), self.at.seconds)

    def epochs(self) -> float:
        """Return how many times the training text was read."""
        return self.batches.epoch + self.batches.position / self.batches.per_epoch

    def over(self) -> bool:
        """Return whether a budget is used up or validation no longer improves; False before any update."""
        patience = self.pace.patience
        tired = patience is not None and self.at.validations_without_improvement >= patience
        return tired or (self.at.update > 0 and self._used() >= 1.0)

    def _validation_due(self) -> bool:
        at = self.at
        return at.validated_update != at.update and (at.update % self.pace.validate_every == 0 or self.over())

    def _autocast(self) -> AbstractContextManager[object]:
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.precision == torch.bfloat16)

    def update(self) -> None:
        """Make one update: a batch, its gradient, one step of the optimiser.

        The host does not wait for the device here; `flush` reads the results.
        """
        used = self._used()
        sums = self._gradients(next(self.batches))
        self.processes.add_up(sums, self.parameters.values())
        gradients = [p.grad for p in self.parameters.values() if p.grad is not None]
        torch._foreach_div_(gradients, sums[1].to(gradients[0].dtype))
        clip = self.recipe.clip_norm
        norm = nn.utils.clip_grad_norm_(self.parameters.values(), math.inf if clip is None else clip)
        self.at.update += 1
        self._apply(used, finite=sums[0].isfinite() & norm.isfinite())
        self._pending.append(torch.cat([sums, norm.double().unsqueeze(0)]))
        self._forget()
        if self.at.update % self.pace.log_every == 0:
            self._log()

    def trial(self, batch: Batch) -> Tensor:
        """Compute a batch as in an update and discard its gradients; return loss, count and figures."""
        sums = self._gradients(batch)
        self._forget()
        self.processes.add_up(sums)
        return sums

    def _gradients(self, batch: Batch) -> Tensor:
        """Add the gradients of a batch; return its loss, count and figures in float64."""
        if not len(batch):  # fewer rows than processes
            return torch.zeros(2 + len(self.objective.figures), dtype=torch.float64, device=self.device)
        return self.splitting.sum(self._forward_backward, batch)

    def _forward_backward(self, batch: Batch) -> Tensor:
        with self._autocast():
            part = self.objective(self.model, batch.to(self.device))
        part.sum.backward()
        loss = part.sum.detach().double()
        figures = (part.figures[name].double() for name in self.objective.figures)
        return torch.stack([loss, torch.full_like(loss, part.count), *figures])

    def _forget(self) -> None:
        self.optimizer.zero_grad(set_to_none=True)

    def _apply(self, used: float, *, finite: Tensor) -> None:
        rate = self.recipe.rate * self.schedule.factor(self.at.update, used)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        step_if_finite(self.optimizer, finite)
        self.averaging.update()

    def flush(self) -> None:
        """Wait for the device and add up the updates since the last call.

        Raises UserError if too many updates in a row were not finite.
        """
        if not self._pending:
            return
        happened, self._pending = torch.stack(self._pending).tolist(), []
        clip = self.recipe.clip_norm
        for update, (loss, count, *sums, norm) in enumerate(happened, self.at.update - len(happened) + 1):
            if math.isfinite(norm) and math.isfinite(loss):
                tokens, clipped = int(count), clip is not None and norm > clip
                figures = dict(zip(self.objective.figures, sums, strict=True))
                self._window.add(loss, figures, tokens, norm, clipped=clipped)
                self.at.trg_tokens, self.at.skipped_in_row = self.at.trg_tokens + tokens, 0
            else:
                self._skipped(update, loss, norm)

    def _skipped(self, update: int, loss: float, norm: float) -> None:
        self.at.skipped, self.at.skipped_in_row = self.at.skipped + 1, self.at.skipped_in_row + 1
        self.progress.log(f"update {update} skipped: loss {loss}, gradient norm {norm}")
        if self.at.skipped_in_row >= self.recipe.max_bad_updates:
            raise UserError(
                f"the model diverged: {self.at.skipped_in_row} updates in a row were not finite (the last: "
                f"loss {loss}, gradient norm {norm}); {ADVICE}"
            )

    def _log(self) -> None:
        self.flush()
        window, self._window = self._window, Window()
        seconds = max(time.perf_counter() - window.began, 1e-9)
        figures: dict[str, float | int] = {
            "train/lr": self.optimizer.param_groups[0]["lr"],
            "train/epoch": self.epochs(),
            "train/skipped": self.at.skipped,
            "train/minutes": self.at.seconds / 60,
            "train/trg_tokens_per_s": window.tokens / seconds,
        }
        if window.updates:
            figures |= {
                "train/loss": window.loss / window.tokens,
                **{f"train/{name}": total / window.tokens for name, total in window.figures.items()},
                "train/gradient_norm": window.norms / window.updates,
                "train/clipped_share": window.clipped / window.updates,
            }
        self.tracker.log(self.at.update, figures)
        self.progress.show(self.at.update, self._used(), figures)

    def _validate(self) -> bool:
        """Validate, log it and return True; False if a signal interrupted it.

        Raises UserError if the model diverged.
        """
        self.flush()
        began = time.perf_counter()
        found = self.processes.on_main(self._validated)
        if found is not None:
            validation, improved = found
            self._log_validation(validation, improved=improved, seconds=time.perf_counter() - began)
        self._other_seconds += time.perf_counter() - began
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
        self.tracker.samples(at.update, validation.samples, validation.details)
        self.progress.validated(at.update, at.seconds / 60, validation.figures, improved=improved)

    def _validated(self) -> tuple[Validation, bool] | None:
        """Validate, save weights that are the best so far, and return whether they were.

        None if a signal interrupted it.
        """
        trim_heap()
        self.model.eval()
        with weights_of(self.parameters, self.averaging.weights(self.at.update)):
            try:
                with self._autocast():
                    validation = self._signals.unless_stopped(lambda: self.task.validate(self.model))
            except Diverged:
                raise self._diverged("its outputs are not numbers") from None
            if validation is None:
                return None
            if bad := [name for name, value in validation.figures.items() if _is_bad(name, value)]:
                raise self._diverged(f"{bad[0]} {validation.figures[bad[0]]}")
            improved = not self.at.best or self.task.better(validation.figures, self.at.best)
            if improved:
                self.records.keep_best()
        self.model.train()
        return validation, improved

    def _diverged(self, found: str) -> UserError:
        return UserError(
            f"the model diverged: at the validation after update {self.at.update}, {found}; {ADVICE}"
        )

    def _save(self) -> None:
        self.flush()
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
        average, averaged = self.averaging.state()
        if average:
            groups["ema"] = average
        if carried := self.batches.recurrent_state():
            groups["carried"] = {k: self.processes.gather(v.cpu()) for k, v in carried.items()}
        state = {
            "at": asdict(self.at),
            "batches": self.batches.state(),
            "schedule": self.schedule.state(),
            "ema_updates": averaged,
            "window": self._window.sums(),
            "identity": self.records.identity,
            "processes": self.processes.size,
        }
        # A validation that is still due may average the oldest checkpoints.
        drop = not self._validation_due()
        self.processes.on_main(lambda: self.checkpoints.save(self.at.update, groups, state, drop=drop))
        self._other_seconds += time.perf_counter() - began
        self._window.began += time.perf_counter() - began
