"""Write a golden CSV: WeightWatcher's default analyze() of a weight file. Run it with the rival's Python.

python benchmarks/make_golden.py "PACKAGE VERSION" OUT.csv WEIGHTFILE...
"""

import csv
import hashlib
import logging
import sys
from importlib.metadata import version
from pathlib import Path

from modules import module_of

COLUMNS = (
    *("N", "M", "Q", "rf", "num_evals", "norm", "log_norm", "spectral_norm", "log_spectral_norm"),
    *("lambda_max", "alpha", "xmin", "xmax", "D", "sigma", "num_pl_spikes", "alpha_weighted"),
    *("log_alpha_norm", "stable_rank", "matrix_rank", "rank_loss", "weak_rank_loss", "entropy"),
    *("sv_max", "sv_min", "status", "warning"),
)


def main(source, out, *paths):
    import weightwatcher

    logging.disable()
    module, _ = module_of(*paths)
    details = weightwatcher.WeightWatcher(model=module).analyze()
    versions = ", ".join(
        f"{package} {version(package)}" for package in ("weightwatcher", "torch", "numpy", "scipy")
    )
    with Path(out).open("w", newline="") as file:
        file.write(f"# analyze() with its defaults: {versions}; one thread\n# weights: {source}\n")
        for path in paths:
            digest = hashlib.sha256(Path(path).read_bytes()).hexdigest()
            file.write(f"# sha256 {digest} {Path(path).name}\n")
        file.write("# made by benchmarks/make_golden.py\n")
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["name", "layer_type", *COLUMNS])
        for row in details.to_dict("records"):
            values = [row[c] if isinstance(row[c], str) else repr(float(row[c])) for c in COLUMNS]
            writer.writerow([f"{row['longname']}.weight", row["layer_type"], *values])


if __name__ == "__main__":
    main(*sys.argv[1:])
