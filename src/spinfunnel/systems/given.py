"""What users give, looked at before anything is run: a system of their own, and a state of a system."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from spinfunnel.core import Array, BadInput, SpinfunnelError
from spinfunnel.systems.protocols import Metric, Smooth, System

#: So many random states are looked at.
LOOK = 64

#: A state lies on a surface if it is off by no more than this, relative to its largest coordinate.
OFF = 1e-6


def look_at(system: System) -> None:
    """Look at a batch of random states of a system and at their energies.

    Raises:
        BadInput: if states or energies are of the wrong shape, energies are not finite, or random states do
            not depend on the seed, or on more than the seed; if overlaps or gradients are not finite or of
            the wrong shape; or if the system's own code fails.
    """
    of = f"system {type(system).__name__}"
    try:
        of, _ = f"system {system.name!s:.40}", system.convention
        shape, batch = (LOOK, *system.shape), f"random({LOOK}, seed)"
        with np.errstate(all="ignore"):
            x, same, other = (np.asarray(system.random(LOOK, seed)) for seed in (0, 0, 1))
            energies = np.asarray(system.energy(x)) if x.shape == shape else None
    except Exception as error:  # it is the user's code, which may fail in any way
        raise BadInput(f"{of} failed when it was first asked: {type(error).__name__}: {error}") from error
    if energies is None:
        raise BadInput(f"{of}: {batch} must give states of shape {shape}, these have {x.shape}")
    if energies.shape != (LOOK,) or energies.dtype.kind not in "fiu":
        raise BadInput(
            f"{of}: energy(x) of {LOOK} states must give {LOOK} numbers, it gives {energies.dtype} of shape "
            f"{energies.shape}"
        )
    if not np.isfinite(energies).all():
        bad = energies[~np.isfinite(energies)]
        raise BadInput(
            f"{of}: energies must be finite, but {len(bad)} of {LOOK} random states have {bad[0]}: give what "
            "cannot be a finite, high energy"
        )
    if x.shape != same.shape or (x != same).any():
        raise BadInput(f"{of}: {batch} must give the same states for the same seed: seed its generator")
    if x.shape == other.shape and (x == other).all():
        raise BadInput(f"{of}: {batch} gives the same states for seeds 0 and 1: seed its generator")
    if isinstance(system, Metric):
        _check(of, "overlap(x, y)", lambda: system.overlap(x, other), (LOOK,))
    if isinstance(system, Smooth):
        _check(of, "gradient(x)", lambda: system.gradient(x), shape)


def _check(of: str, what: str, asked: Callable[[], Array], shape: tuple[int, ...]) -> None:
    """Look at what a user's own code gives."""
    try:
        with np.errstate(all="ignore"):
            found = np.asarray(asked())
    except Exception as error:  # it may fail in any way
        raise BadInput(f"{of}: {what} failed when first asked: {type(error).__name__}: {error}") from error
    if found.shape != shape or found.dtype.kind not in "fiu" or not np.isfinite(found).all():
        raise BadInput(f"{of}: {what} of {LOOK} random states must give finite numbers of shape {shape}")


def state_of(system: System, given: Array, whose: str) -> Array:
    """Give what was given as one state of a system, (*shape), of the type its states have.

    Sides of length 1 do not matter, so a column of spins is a state of spins.

    >>> from spinfunnel.systems import system
    >>> state_of(system("sk", size=3), np.array([[1.0], [-1.0], [1.0]]), "column").tolist()
    [1, -1, 1]

    Raises:
        BadInput: if it is of another shape or kind, or its energy is not finite; `whose` begins the message.
    """
    given, like = np.asarray(given), system.random(1, 0)[0]
    if [n for n in given.shape if n > 1] != [n for n in like.shape if n > 1]:
        raise BadInput(f"{whose} is of shape {given.shape}, and a state of {system.name} of {like.shape}")
    if given.dtype.kind not in "buif" or not np.isfinite(given).all():
        raise BadInput(f"{whose} must be of finite numbers, to be a state of {system.name}")
    if like.dtype == np.int8 and (np.abs(given.astype(np.float64)) != 1).any():
        odd = given[np.abs(given.astype(np.float64)) != 1].flat[0]
        bits = bool(np.isin(given, (0, 1)).all())
        fix = "of x = 0 and 1, give 2 x - 1" if bits else f"it holds {odd}"
        raise BadInput(f"{whose} must be of spins, +1 or -1: {fix}")
    state = given.reshape(like.shape).astype(like.dtype)
    if like.dtype.kind == "i" and (state != given.reshape(like.shape)).any():
        raise BadInput(f"{whose} must be of whole numbers, the places of {system.name}")
    if isinstance(system, Smooth):
        with np.errstate(all="ignore"):
            off = float(np.abs(system.settle(state[None])[0] - state).max())
        if not off <= OFF * np.abs(state).max():
            raise BadInput(f"{whose} is {off:.3g} off the surface that {system.name} is on: put it there")
    try:
        with np.errstate(all="ignore"):
            energy = float(system.energy(state[None])[0])
    except SpinfunnelError as error:
        raise BadInput(f"{whose} is no state of {system.name}: {error}") from None
    if not np.isfinite(energy):
        raise BadInput(
            f"{whose} has energy {energy} in {system.name}: give a state that the system can be in"
        )
    return state
