"""What moves a configuration: Metropolis, simulated annealing, parallel tempering. Each gives a `Trace`."""

from spinfunnel.dynamics.annealing import anneal, temperature_range
from spinfunnel.dynamics.metropolis import metropolis
from spinfunnel.dynamics.tempering import ladder, temper

__all__ = ["anneal", "ladder", "metropolis", "temper", "temperature_range"]
