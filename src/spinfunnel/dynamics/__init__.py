"""What moves a configuration: Metropolis, tempering, Langevin, descent and others. Each gives a `Trace`."""

from spinfunnel.dynamics.annealing import anneal, temperature_range
from spinfunnel.dynamics.clusters import swendsen_wang, wolff
from spinfunnel.dynamics.descent import descend, quench
from spinfunnel.dynamics.hopping import basin_hopping
from spinfunnel.dynamics.houdayer import houdayer
from spinfunnel.dynamics.langevin import langevin
from spinfunnel.dynamics.metropolis import metropolis
from spinfunnel.dynamics.planner import measure_convexity, plan_langevin
from spinfunnel.dynamics.population import population_annealing
from spinfunnel.dynamics.saddles import climb
from spinfunnel.dynamics.tempering import ladder, temper

__all__ = [
    "anneal",
    "basin_hopping",
    "climb",
    "descend",
    "houdayer",
    "ladder",
    "langevin",
    "measure_convexity",
    "metropolis",
    "plan_langevin",
    "population_annealing",
    "quench",
    "swendsen_wang",
    "temper",
    "temperature_range",
    "wolff",
]
