"""WeightWatcher's side, and that of powerlaw. Runs in its own environment; same arguments as ours.py."""

import logging
import sys
from functools import partial

import numpy as np
import powerlaw
import torch
import weightwatcher
from modules import module_of
from serve import serve
from weightwatcher.WW_powerlaw import WWFit

if __name__ == "__main__":
    logging.disable()
    watcher = weightwatcher.WeightWatcher(model=module_of(sys.argv[1])[0])
    warm = torch.nn.Sequential(torch.nn.Linear(96, 64))
    weightwatcher.WeightWatcher(model=warm).analyze(randomize=True, mp_fit=True)
    spectra = np.load(sys.argv[2])
    serve(
        {
            "analyze()": watcher.analyze,
            "analyze(randomize=True, mp_fit=True)": partial(watcher.analyze, randomize=True, mp_fit=True),
            **{f"WWFit {name}": partial(WWFit, spectra[name]) for name in spectra},
            **{
                f"powerlaw.Fit {name}": partial(powerlaw.Fit, spectra[name], verbose=False)
                for name in spectra
            },
        }
    )
