"""What a gradient costs, counted instead of timed: so that how much is measured does not depend on the hour.

Sizes of measurements follow from costs. Were those timed, a busy machine would give other results than an
idle one. So operations, their arithmetic, and the bytes they touch are counted, and priced for one core.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from spinfunnel.systems.network_loss import NetworkLoss

#: Seconds of an operation, of a multiplication and addition, and of a byte (fitted to eight networks on one
#: core, whose gradients took .8 to 1.7 times what is said here).
OPERATION, ARITHMETIC, BYTE = 1.5e-5, 3.5e-11, 2e-10


def seconds_of_gradient(system: NetworkLoss) -> float:
    """Price one gradient over all examples by what its first batch takes; the same on every machine."""
    import torch
    from torch.utils._python_dispatch import TorchDispatchMode
    from torch.utils.flop_counter import FlopCounterMode

    counted = {"operations": 0, "bytes": 0}

    class Count(TorchDispatchMode):  # type: ignore[no-untyped-call]
        def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            out = func(*args, **(kwargs or {}))
            if not func.is_view:
                counted["operations"] += 1
                for one in out if isinstance(out, tuple | list) else (out,):
                    counted["bytes"] += one.nbytes if isinstance(one, torch.Tensor) else 0
            return out

    share = system.examples / system.counts[0]
    theta = system._tensor(system.native).requires_grad_(True)
    flops = FlopCounterMode(display=False)
    with system._math(), flops, Count():  # type: ignore[no-untyped-call]
        loss = system._mean(system._parameters(theta), next(iter(system.batches)))
        torch.autograd.grad(loss, theta)
    one = (
        OPERATION * counted["operations"] + ARITHMETIC * flops.get_total_flops() / 2 + BYTE * counted["bytes"]
    )
    return one * share
