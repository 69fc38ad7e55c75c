"""What a gradient costs, counted instead of timed: so that how much is measured does not depend on the hour.

Sizes of measurements follow from costs. Were those timed, a busy machine would give other results than an
idle one. So operations, their arithmetic, and the bytes they touch are counted, and priced for one core.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from spinfunnel.systems.network_loss.batches import dense
from spinfunnel.systems.network_loss.modules import piecewise, plain_form

if TYPE_CHECKING:
    from spinfunnel.systems.network_loss import NetworkLoss

#: Seconds of an operation, of a multiplication and addition, and of a byte (fitted to eight networks on one
#: core, whose gradients took .8 to 1.7 times what is said here).
OPERATION, ARITHMETIC, BYTE = 1.5e-5, 3.5e-11, 2e-10
#: The steps of recurrent layers are not called from Python, and cost less by this factor (of a GRU: .34).
STEP, RECURRENT = 1 / 3, {"lstm", "gru", "rnn_tanh", "rnn_relu"}


@dataclass
class Work:
    """What was done: operations that are no views, and steps of recurrent layers among them; their
    arithmetic, and the bytes of what they gave.
    """

    operations: int = 0
    steps: int = 0
    flops: int = 0
    bytes: int = 0


def counted(run: Callable[[], Any]) -> Work:
    """Count what torch does while something runs.

    >>> import torch
    >>> counted(lambda: torch.ones(2, 3) @ torch.ones(3, 5))
    Work(operations=3, steps=0, flops=60, bytes=124)
    """
    import torch
    from torch.overrides import TorchFunctionMode
    from torch.utils._python_dispatch import TorchDispatchMode
    from torch.utils.flop_counter import flop_registry

    work, inside = Work(), 0

    class Recurrent(TorchFunctionMode):
        def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            nonlocal inside
            layer = getattr(func, "__name__", "") in RECURRENT
            inside += layer
            try:
                return func(*args, **(kwargs or {}))
            finally:
                inside -= layer

    class Count(TorchDispatchMode):  # type: ignore[no-untyped-call]
        def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            out = func(*args, **(kwargs or {}))
            if not func.is_view:
                work.operations += 1
                work.steps += bool(inside)
                for one in out if isinstance(out, tuple | list) else (out,):
                    parts = dense(one) if isinstance(one, torch.Tensor) else ()
                    work.bytes += sum(part.nbytes for part in parts)
            if (flops := flop_registry.get(func.overloadpacket)) is not None:
                work.flops += flops(*args, **(kwargs or {}), out_val=out)
            return out

    with plain_form(), piecewise(), Recurrent(), Count():  # type: ignore[no-untyped-call]
        run()
    return work


def seconds_of_gradient(system: NetworkLoss) -> float:
    """Price one gradient over all examples by what its first batch takes; the same on every machine."""
    import torch

    assert system.total_weight > 0  # known from here on: adding it up is no part of a gradient
    theta = system._tensor(system.native).requires_grad_(True)
    losses: list[Any] = []

    def forward() -> None:
        losses.append(system._mean(system._parameters(theta), next(iter(system.batches))))

    with torch.enable_grad():
        ahead = counted(forward)
        back = counted(lambda: torch.autograd.grad(losses[0], theta))
    operations = (ahead.operations + back.operations) * (1 - (1 - STEP) * ahead.steps / ahead.operations)
    flops, touched = ahead.flops + back.flops, ahead.bytes + back.bytes
    one = OPERATION * operations + ARITHMETIC * flops / 2 + BYTE * touched
    return one * system.examples / system.counts[0]
