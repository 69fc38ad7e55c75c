"""Many minimisations of a smooth energy at once: every replica makes one trial step for each call of it.

Each replica has its own history, step length and state, so that one that is done, or begins anew, waits for
no other. What happens to one replica is a plain function, compiled; energies and gradients come for all
replicas in one call. Source: Nocedal, Math. Comput. 35 (1980) 773 (L-BFGS).
"""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

import numpy as np

from spinfunnel.core import Array
from spinfunnel.maths.compiling import compiled
from spinfunnel.systems.protocols import Smooth

Method: TypeAlias = Literal["lbfgs", "gradient"]

#: Steps remembered by L-BFGS.
MEMORY = 8
#: A step must lower the energy by this share of what the slope promises (Armijo).
SHARE = 1e-4
#: Energies are known to this share of themselves.
ROUNDING = 1e-12
#: Without a history, a step that succeeds at once is followed by one longer by this factor.
LONGER = 1.5
#: A trial step shorter than this share of the first one tried is the last.
SHORTEST = 1e-10
#: What a replica does: it moves; its gradient is below the tolerance; or no step leads down any more.
MOVING, CONVERGED, STUCK = 0, 1, 2


class Downhill:
    """R replicas on their way down from x (R, *shape).

    No coordinate changes by more than `longest` in a step. A replica is done once no component of its
    gradient is above `tolerance`.

    Attributes:
        x: (R, n), flat.
        energy: (R,), infinite before it is known.
        steepness: (R,), the largest component of the gradient.
        state: (R,), MOVING, CONVERGED or STUCK.
        evaluations: (R,), energies and gradients asked for.
    """

    def __init__(self, system: Smooth, x: Array, *, method: Method, tolerance: float, longest: float) -> None:
        replicas, n = len(x), x[0].size
        memory = MEMORY if method == "lbfgs" else 0
        self.system, self.tolerance, self.longest = system, tolerance, longest
        self.x = np.empty((replicas, n))
        self.energy, self.steepness = np.full((2, replicas), np.inf)
        self.gradient, self.direction = np.zeros((2, replicas, n))
        self.length, self.scale = np.ones((2, replicas))
        self.steps, self.changes = np.zeros((2, replicas, memory, n))
        self.weights = np.zeros((replicas, memory))
        self.newest, self.state, self.evaluations = np.zeros((3, replicas), dtype=np.int64)
        self.restart(np.arange(replicas), x)

    def restart(self, which: Array, x: Array) -> None:
        """Begin anew from x (len(which), *shape); what was learnt of the scale of steps is kept."""
        self.x[which] = x.reshape(len(which), -1)
        self.energy[which] = np.inf
        self.direction[which] = 0.0
        self.weights[which] = 0.0
        self.state[which] = MOVING

    def shaped(self, x: Array) -> Array:
        """Give flat configurations (k, n) the system's shape."""
        return x.reshape(len(x), *self.system.shape)

    def advance(self) -> None:
        """Let each replica that moves try one step."""
        which = np.flatnonzero(self.state == MOVING)
        if not len(which):
            return
        trial = self.x[which] + self.length[which, None] * self.direction[which]
        settled = self.system.settle(self.shaped(trial))
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            energy, gradient = self.system.energy_and_gradient(settled)
        self.evaluations[which] += 1
        compiled(digest)(
            which, settled.reshape(trial.shape), np.asarray(energy, np.float64),
            np.ascontiguousarray(gradient, np.float64).reshape(trial.shape),
            self.x, self.energy, self.gradient, self.direction, self.length, self.scale,
            self.steps, self.changes, self.weights, self.newest, self.steepness, self.state,
            self.tolerance, self.longest,
        )  # fmt: skip


def digest(
    which: Any, trial: Any, energies: Any, gradients: Any, x: Any, energy: Any, gradient: Any, direction: Any,
    length: Any, scale: Any, steps: Any, changes: Any, weights: Any, newest: Any, steepness: Any, state: Any,
    tolerance: float, longest: float,
) -> None:  # fmt: skip
    """Take or shorten the step of each replica that moves."""
    for k in range(which.shape[0]):
        r = which[k]
        first = energy[r] == np.inf
        rise = energies[k] - energy[r]
        room = ROUNDING * abs(energies[k])
        promised = length[r] * np.dot(gradient[r], direction[r])
        if first:
            taken = np.isfinite(energies[k])
            length[r] = 0.0
        else:
            taken = rise <= SHARE * promised + room
        if not taken:
            bend = rise - promised  # of the parabola through what is known along the step
            shorter = -promised / (2 * bend) if bend > 0 and np.isfinite(bend) else 0.1
            length[r] *= min(max(shorter, 0.1), 0.5)
            if length[r] < SHORTEST:
                if weights[r].any():
                    forget(r, weights, scale)
                    aim(gradient[r], direction[r], length, r, scale, steps, changes, weights, newest, longest)
                else:
                    state[r] = STUCK
            continue
        if not first:
            if steps.shape[1]:
                remember(
                    r, trial[k] - x[r], gradients[k] - gradient[r], gradient[r], rise, room,
                    steps, changes, weights, newest, scale,
                )  # fmt: skip
            else:
                scale[r] *= LONGER if length[r] == 1.0 else length[r]
        x[r] = trial[k]
        energy[r] = energies[k]
        gradient[r] = gradients[k]
        steepness[r] = np.abs(gradient[r]).max()
        if steepness[r] <= tolerance:
            state[r] = CONVERGED
        else:
            aim(gradient[r], direction[r], length, r, scale, steps, changes, weights, newest, longest)


def forget(r: int, weights: Any, scale: Any) -> None:
    """Lose the history of a replica, and what it says of the scale of steps."""
    weights[r] = 0.0
    scale[r] = 1.0


def remember(
    r: int, step: Any, change: Any, slope: Any, rise: float, room: float,
    steps: Any, changes: Any, weights: Any, newest: Any, scale: Any,
) -> None:  # fmt: skip
    """Add a step and the change of the gradient to the history, if the energy is near a parabola there.

    Of a parabola, the energy rises by the step times the mean of the gradients at its ends. Where it does
    not, as where atoms overlap, curvatures of before mislead.
    """
    curvature = np.dot(step, change)
    parabola = np.dot(step, slope) + curvature / 2
    if curvature <= 0 or abs(rise - parabola) > 0.5 * abs(parabola) + room:
        forget(r, weights, scale)
        return
    newest[r] = (newest[r] + 1) % steps.shape[1]
    steps[r, newest[r]] = step
    changes[r, newest[r]] = change
    weights[r, newest[r]] = 1 / curvature
    scale[r] = curvature / np.dot(change, change)


def aim(
    slope: Any, aimed: Any, length: Any, r: int, scale: Any, steps: Any, changes: Any, weights: Any,
    newest: Any, longest: float,
) -> None:  # fmt: skip
    """Aim down: minus the gradient, times the inverse of the Hessian that the history speaks of."""
    memory = steps.shape[1]
    alpha = np.zeros(memory)
    aimed[:] = slope
    known = 0
    for back in range(memory):
        i = (newest[r] - back) % memory
        if weights[r, i] == 0.0:
            break
        alpha[i] = weights[r, i] * np.dot(steps[r, i], aimed)
        aimed -= alpha[i] * changes[r, i]
        known += 1
    aimed *= scale[r]
    for back in range(known - 1, -1, -1):
        i = (newest[r] - back) % memory
        aimed += (alpha[i] - weights[r, i] * np.dot(changes[r, i], aimed)) * steps[r, i]
    if not np.dot(aimed, slope) > 0.0:  # a history that leads up, or is no number
        forget(r, weights, scale)
        aimed[:] = slope
    furthest = np.abs(aimed).max()
    aimed *= -min(1.0, longest / furthest)
    length[r] = 1.0
