"""Pull moves of a self-avoiding chain on the square lattice: plain functions, to be compiled.

A monomer steps aside, and those behind it follow, each onto the site of the one two before it, until one of
them is still next to the one ahead. Every move has a label: (monomer, which side of it stands still, left or
right) for the monomers within, (end, two turns) for the ends. Each label is drawn with the same probability,
and each move is undone by one label of the chain it leaves behind, so the log ratio is always 0. That holds
because nothing follows that need not: an end that steps round its neighbour takes nothing along. (As first
published, it would leave a hook that no pull move undoes.)
Sources: Lesh, Mitzenmacher & Whitesides, RECOMB 2003, 188; Győrffy, Závodszky & Szilágyi, IEEE/ACM Trans.
Comput. Biol. Bioinform. 9 (2012) 1847.

`memory` holds: the first and last monomer that move; new places (N, 2); and which monomer, counted from 1,
is on each site of a periodic grid, wider than the chain can reach.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from spinfunnel.maths.random_numbers import below


def grid_side(n: int) -> int:
    """Give the side of the grid: a power of two that a chain of n monomers, and two steps more, fit in."""
    side = 1
    while side < n + 2:
        side *= 2
    return side


def memory_size(n: int) -> int:
    """How many float64 the moves of n monomers remember."""
    return 2 + 2 * n + grid_side(n) ** 2


def labels(n: int) -> int:
    """How many labels there are: four for each monomer within, nine for each end."""
    return 4 * (n - 2) + 18


def site(column: int, row: int, side: int) -> int:
    """Number a site of the periodic grid."""
    return (column & (side - 1)) * side + (row & (side - 1))


def turned(turn: Any, across: Any, along: Any) -> Any:
    """Turn a step: left (1), right (-1) or not at all (0)."""
    on = 1 - turn * turn
    return on * across - turn * along, on * along + turn * across


def felt(m: int, column: int, row: int, grid: Any, side: int, strengths: Any) -> Any:
    """Add up the contacts that monomer m makes at a place with those on the grid."""
    total = 0.0
    for k in range(4):
        step = 1 - (k & 2)
        other = int(grid[site(column + step * (k & 1), row + step * (1 - (k & 1)), side)]) - 1
        if other >= 0:
            total += strengths[m, other]
    return total


def prepare(x: Any, memory: Any, data: Any) -> Any:
    """Put the chain on the grid, and give its energy."""
    n = x.shape[0]
    side, grid = grid_side(n), memory[2 + 2 * n :]
    grid[:] = 0
    energy = 0.0
    for m in range(n):
        column, row = int(x[m, 0]), int(x[m, 1])
        energy += felt(m, column, row, grid, side, data[0])
        grid[site(column, row, side)] = m + 1
    return energy


def propose(x: Any, memory: Any, data: Any, rng: Any) -> Any:
    """Draw a label, note who would move where, and give (cost, 0.0)."""
    n = x.shape[0]
    side, new, grid = grid_side(n), memory[2 : 2 + 2 * n], memory[2 + 2 * n :]
    label = below(rng, labels(n))
    if label < 4 * (n - 2):  # monomer i steps aside, its neighbour i + d stands still
        i, d = 1 + label // 4, 1 - 2 * (label & 1)
        across, along = turned(1 - (label & 2), x[i, 0] - x[i + d, 0], x[i, 1] - x[i + d, 1])
        column, row = x[i + d, 0] + across, x[i + d, 1] + along
        behind_column, behind_row = x[i, 0] + across, x[i, 1] + along
    else:  # an end goes two steps on
        label -= 4 * (n - 2)
        i, d = (0, -1) if label < 9 else (n - 1, 1)
        across, along = turned(label // 3 % 3 - 1, x[i, 0] - x[i - d, 0], x[i, 1] - x[i - d, 1])
        behind_column, behind_row = x[i, 0] + across, x[i, 1] + along
        across, along = turned(label % 3 - 1, across, along)
        column, row = behind_column + across, behind_row + along
    if grid[site(int(column), int(row), side)] > 0:
        return np.inf, 0.0
    new[2 * i], new[2 * i + 1] = column, row
    k = i - d
    while 0 <= k < n and abs(x[k, 0] - column) + abs(x[k, 1] - row) != 1:  # it lost touch: it follows
        if k != i - d:
            column, row = x[k + 2 * d, 0], x[k + 2 * d, 1]
        elif grid[site(int(behind_column), int(behind_row), side)] > 0:
            return np.inf, 0.0
        else:
            column, row = behind_column, behind_row
        new[2 * k], new[2 * k + 1] = column, row
        k -= d
    first, last = min(i, k + d), max(i, k + d)
    memory[0], memory[1] = first, last
    cost = 0.0
    for m in range(first, last + 1):  # each leaves, and so no contact is counted twice
        column, row = int(x[m, 0]), int(x[m, 1])
        cost -= felt(m, column, row, grid, side, data[0])
        grid[site(column, row, side)] = 0
    for m in range(first, last + 1):
        column, row = int(new[2 * m]), int(new[2 * m + 1])
        cost += felt(m, column, row, grid, side, data[0])
        grid[site(column, row, side)] = m + 1
    for m in range(first, last + 1):
        grid[site(int(new[2 * m]), int(new[2 * m + 1]), side)] = 0
    for m in range(first, last + 1):
        grid[site(int(x[m, 0]), int(x[m, 1]), side)] = m + 1
    return cost, 0.0


def accept(x: Any, memory: Any, data: Any) -> Any:
    """Move those who were noted."""
    n = x.shape[0]
    side, new, grid = grid_side(n), memory[2 : 2 + 2 * n], memory[2 + 2 * n :]
    first, last = int(memory[0]), int(memory[1])
    for m in range(first, last + 1):
        grid[site(int(x[m, 0]), int(x[m, 1]), side)] = 0
    for m in range(first, last + 1):
        x[m, 0], x[m, 1] = int(new[2 * m]), int(new[2 * m + 1])
        grid[site(int(x[m, 0]), int(x[m, 1]), side)] = m + 1


def grow(x: Any, rng: Any) -> Any:
    """Fill x (N, 2) with one of all self-avoiding chains, each as likely: a step that hits starts anew."""
    n = x.shape[0]
    x[0, 0], x[0, 1], x[1, 0], x[1, 1] = 0, 0, 1, 0
    k = 2
    while k < n:
        before, here = x[k - 2], x[k - 1]
        across, along = turned(below(rng, 3) - 1, here[0] - before[0], here[1] - before[1])
        x[k, 0], x[k, 1] = here[0] + across, here[1] + along
        k += 1
        for m in range(k - 2):
            if x[m, 0] == x[k - 1, 0] and x[m, 1] == x[k - 1, 1]:
                k = 2
                break
