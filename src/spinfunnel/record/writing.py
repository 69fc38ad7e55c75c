"""Writes down what happens during training, from a loop of one's own or as a callback of a trainer."""

from __future__ import annotations

import json
import math
import os
import time
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from spinfunnel.core import BadInput
from spinfunnel.record.reading import FORMAT, INDEX, is_history, snapshot
from spinfunnel.systems.network_loss.modules import unwrapped

#: The mean and the spread of a gradient are taken over at least so many steps.
WINDOW = 16


class Recorder:
    """Write down weights, losses and gradients while a model is trained; nothing in it is changed.

    Call it in every step after `loss.backward()` and before `optimizer.step()`: then weights, loss and
    gradient belong together (under a GradScaler, after `unscale_`). `finish()` after the last step keeps the
    weights that were trained.

        recorder = Recorder("history", model)
        for step, batch in enumerate(loader):
            ...
            loss.backward()
            recorder(step, loss=loss, lr=optimizer.param_groups[0]["lr"])
            optimizer.step()
        recorder.finish()

    Or give `recorder.lightning()`, or `recorder.huggingface()`, to a trainer as a callback. It never stops
    a training: a loss or weights that are not finite, or a full disk, become a warning and a line without a
    snapshot. Of parallel processes the first alone writes.

    Args:
        folder: where to write; it is made if it is not there.
        model: a `torch.nn.Module`; `torch.compile` and wrappers of parallel training are looked through.
        every: steps between snapshots, to begin with.
        keep: so many snapshots at most, 4 or more; the folder takes `keep` times the bytes of the model.
        gradients: whether to follow the gradients, which takes a copy of the weights in memory.
        force: whether to replace a history that is there.

    Raises:
        BadInput: if the folder holds a history or is a file, or if nothing in the model is trained; when
            called, if the parameters are others than they were, or if steps go back.
    """

    def __init__(
        self,
        folder: str | Path,
        model: Any,
        *,
        every: int = 1,
        keep: int = 100,
        gradients: bool = True,
        force: bool = False,
    ) -> None:
        if every < 1 or keep < 4:
            raise BadInput(f"every is {every} and keep is {keep}: they must be at least 1 and at least 4")
        self.folder, self.every, self.keep = Path(folder), every, keep
        self.model = unwrapped(model)
        self._trained = {name: p for name, p in self.model.named_parameters() if p.requires_grad}
        if not self._trained:
            raise BadInput("no parameter of the model is trained: unfreeze some before making the Recorder")
        self._shapes = _shapes(_state(self.model))
        self._window = _Window() if gradients else None
        self._records: list[int] = []
        self._step = -1
        self._losses: tuple[Any, int] = (0.0, 0)
        self._rate: Any = None
        self._warned: set[str] = set()
        self._begun = time.monotonic()
        self._writes = os.environ.get("RANK", os.environ.get("LOCAL_RANK", "0")) == "0"
        if self._writes:
            self._open(force)

    def _open(self, force: bool) -> None:
        if self.folder.exists() and not self.folder.is_dir():
            raise BadInput(f"{self.folder} is a file: give a folder")
        if is_history(self.folder) and not force:
            raise BadInput(
                f"{self.folder} holds the history of another run: give a new folder, or force=True"
            )
        self.folder.mkdir(parents=True, exist_ok=True)
        if is_history(self.folder):
            for old in self.folder.glob("step-*.safetensors"):
                old.unlink()
        trained = [[name, list(p.shape)] for name, p in self._trained.items()]
        (self.folder / INDEX).write_text(json.dumps({"format": FORMAT, "trained": trained}))

    def __call__(self, step: int, *, loss: Any = None, lr: Any = None) -> None:
        """Note a step, and write a record if one is due.

        `step` counts the steps of the optimiser before this one; `loss` is a number, or a tensor of one.
        """
        if not self._writes:
            return
        if step < self._step:
            raise BadInput(f"step {step} comes after step {self._step}: count on, or make another Recorder")
        self._step, self._rate = step, self._rate if lr is None else lr
        self.loss(loss)
        if self._window is not None:
            self._window.add(self._trained)
        while self._due(step) and len(self._records) >= self.keep:
            for thinned in self._records[1::2]:
                (self.folder / snapshot(thinned)).unlink(missing_ok=True)
            self._records, self.every = self._records[::2], 2 * self.every
        if self._due(step):
            self._write(step)

    def loss(self, loss: Any) -> None:
        """Note a loss; the next record has the mean of those noted since the last."""
        if loss is None:
            return
        if math.prod(getattr(loss, "shape", ())) != 1:
            raise BadInput(f"a loss of shape {tuple(loss.shape)} is not a number: give the mean")
        total, count = self._losses
        self._losses = total + (loss.detach() if hasattr(loss, "detach") else loss), count + 1

    def finish(self) -> None:
        """Record the weights as they are now, after the last step."""
        if self._writes and (not self._records or self._records[-1] <= self._step):
            self._write(self._step + 1)

    def _due(self, step: int) -> bool:
        return not self._records or step >= self._records[-1] + self.every

    def _write(self, step: int) -> None:
        """Write a snapshot, then a line; what stands in the way is told once, and training goes on."""
        total, count = self._losses
        line: dict[str, Any] = {
            "step": step,
            "loss": _finite(total / count) if count else None,
            "lr": None if self._rate is None else _finite(self._rate),
            "seconds": round(time.monotonic() - self._begun, 3),
        }
        if count and line["loss"] is None:
            self._warn("the loss is not finite", step)
        state = _state(self.model)
        if _shapes(state) != self._shapes:
            changed = sorted(set(_shapes(state).items()) ^ set(self._shapes.items()))
            name, shape = changed[0]
            raise BadInput(
                f"the model has changed since the Recorder was made, see {name!r} of shape {shape}: "
                "make another Recorder, in another folder"
            )
        if all(bool(p.isfinite().all()) for p in self._trained.values()):
            self._save(step, state)
        else:
            self._warn("weights are not finite, and not kept", step)
        if self._window is not None and self._window.steps >= WINDOW:
            line["gradients"] = self._window.close(self._trained)
        try:
            with (self.folder / INDEX).open("a") as file:
                file.write("\n" + json.dumps(line))
        except OSError as error:
            self._warn(f"cannot write to {self.folder} ({error.strerror})", step)
        self._records.append(step)
        self._losses = (0.0, 0)

    def _save(self, step: int, state: Mapping[str, Any]) -> None:
        from safetensors import SafetensorError
        from safetensors.torch import save_file

        there, tensors = self.folder / snapshot(step), {}
        for name, tensor in state.items():
            tensors[name] = tensor.detach().to("cpu", copy=True).contiguous()
        unfinished = there.with_suffix(".unfinished")
        try:
            save_file(tensors, unfinished)
            with unfinished.open("rb") as file:
                os.fsync(file.fileno())
            unfinished.replace(there)
        except (OSError, SafetensorError) as error:
            unfinished.unlink(missing_ok=True)
            self._warn(f"a snapshot cannot be written to {self.folder} ({error})", step)

    def _warn(self, what: str, step: int) -> None:
        if what not in self._warned:
            self._warned.add(what)
            warnings.warn(f"Recorder, step {step}: {what}; training goes on", stacklevel=3)

    def lightning(self) -> Any:
        """Give a callback for `lightning.Trainer(callbacks=[...])`. Gradients are those before clipping."""
        from lightning.pytorch.callbacks import Callback

        recorder = self

        class Recording(Callback):
            loss: Any = None

            def on_before_backward(self, trainer: Any, pl_module: Any, loss: Any) -> None:
                self.loss = loss.detach() + (0 if self.loss is None else self.loss)  # of batches that add up

            def on_before_optimizer_step(self, trainer: Any, pl_module: Any, optimizer: Any) -> None:
                recorder(trainer.global_step, loss=self.loss, lr=optimizer.param_groups[0]["lr"])
                self.loss = None

            def on_train_end(self, trainer: Any, pl_module: Any) -> None:
                recorder.finish()

        return Recording()

    def huggingface(self) -> Any:
        """Give a callback for `transformers.Trainer(callbacks=[...])`.

        Gradients are those after clipping; losses are known as often as the trainer logs (`logging_steps`).
        """
        from transformers import TrainerCallback

        recorder = self

        class Recording(TrainerCallback):
            def on_pre_optimizer_step(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
                recorder(state.global_step, lr=kwargs["optimizer"].param_groups[0]["lr"])

            def on_log(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
                recorder.loss(kwargs["logs"].get("loss"))

            def on_train_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
                recorder.finish()

        return Recording()


class _Window:
    """Gradients of successive steps: their sum, and the sum of their squared lengths, by parameter.

    Steps whose gradient is not finite, as mixed precision skips them, do not count. Nothing waits for a GPU
    until a window is closed.
    """

    def __init__(self) -> None:
        self.steps = 0
        self._sums: dict[str, tuple[Any, Any, Any]] = {}

    def add(self, parameters: Mapping[str, Any]) -> None:
        self.steps += 1
        for name, parameter in parameters.items():
            if parameter.grad is None:
                continue
            grad = _dense(parameter.grad)
            square = grad.reshape(-1).dot(grad.reshape(-1))
            finite = square.isfinite()
            if name not in self._sums:
                self._sums[name] = grad.new_zeros(grad.shape), square.new_zeros(()), finite.long() * 0
            total, squares, count = self._sums[name]  # tensors, which are added to in place
            total += grad if grad.is_cpu and finite else grad.where(finite, 0.0)
            squares += square.where(finite, 0.0)
            count += finite

    def close(self, parameters: Mapping[str, Any]) -> dict[str, list[float | None]]:
        """Give mean and variance over the elements of the last gradient; of all, the length of the mean.

        And the root of their total variance over steps, and how many steps there are.
        """
        rows = {}
        for name, (total, squares, count) in self._sums.items():
            n, last = int(count), parameters[name].grad
            last = total * math.nan if last is None else _dense(last)
            mean = float((total * total).sum()) / n**2 if n else math.nan
            spread = (float(squares) / n - mean) * n / (n - 1) if n > 1 else math.nan
            values = (last.mean(), last.var(correction=0), math.sqrt(mean), math.sqrt(max(spread, 0.0)))
            rows[name] = [*map(_finite, values), n]
        self.steps, self._sums = 0, {}
        return rows


def _dense(grad: Any) -> Any:
    return (grad.to_dense() if grad.is_sparse else grad).detach().float()


def _state(model: Any) -> dict[str, Any]:
    """Give all parameters, and the buffers that a checkpoint has, shared ones once."""
    saved = model.state_dict(keep_vars=True).keys()
    buffers = {name: buffer for name, buffer in model.named_buffers() if name in saved}
    return dict(model.named_parameters()) | buffers


def _shapes(state: Mapping[str, Any]) -> dict[str, tuple[int, ...]]:
    return {name: tuple(tensor.shape) for name, tensor in state.items()}


def _finite(value: Any) -> float | None:
    """JSON knows no infinity."""
    value = float(value)
    return value if math.isfinite(value) else None
