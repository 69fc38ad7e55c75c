"""What a gradient costs, counted instead of timed: so that how much is measured does not depend on the hour.

Sizes of measurements follow from costs. Were those timed, a busy machine would give other results than an
idle one. So operations, their arithmetic, and the bytes they touch are counted, and priced for one core.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from spinfunnel.systems.network_loss.modules import plain_form

if TYPE_CHECKING:
    from spinfunnel.systems.network_loss import NetworkLoss

#: Seconds of an operation, of a multiplication and addition, and of a byte (fitted to eight networks on one
#: core, whose gradients took .8 to 1.7 times what is said here).
OPERATION, ARITHMETIC, BYTE = 1.5e-5, 3.5e-11, 2e-10


@dataclass
class Work:
    """What was done: operations that are no views, their arithmetic, and the bytes of what they gave."""

    operations: int = 0
    flops: int = 0
    bytes: int = 0


def counted(run: Callable[[], Any]) -> Work:
    """Count what torch does while something runs.

    >>> import torch
    >>> counted(lambda: torch.ones(2, 3) @ torch.ones(3, 5))
    Work(operations=3, flops=60, bytes=124)
    """
    import torch
    from torch.utils._python_dispatch import TorchDispatchMode
    from torch.utils.flop_counter import flop_registry

    work = Work()

    class Count(TorchDispatchMode):  # type: ignore[no-untyped-call]
        def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            out = func(*args, **(kwargs or {}))
            if not func.is_view:
                work.operations += 1
                for one in out if isinstance(out, tuple | list) else (out,):
                    work.bytes += one.nbytes if isinstance(one, torch.Tensor) else 0
            if (flops := flop_registry.get(func.overloadpacket)) is not None:
                work.flops += flops(*args, **(kwargs or {}), out_val=out)
            return out

    with plain_form(), Count():  # type: ignore[no-untyped-call]
        run()
    return work


def seconds_of_gradient(system: NetworkLoss) -> float:
    """Price one gradient over all examples by what its first batch takes; the same on every machine."""
    import torch

    theta = system._tensor(system.native).requires_grad_(True)

    def gradient() -> None:
        loss = system._mean(system._parameters(theta), next(iter(system.batches)))
        torch.autograd.grad(loss, theta)

    with torch.enable_grad():
        work = counted(gradient)
    one = OPERATION * work.operations + ARITHMETIC * work.flops / 2 + BYTE * work.bytes
    return one * system.examples / system.counts[0]
