"""Compare every instrument with systems whose answer is known, and judge the comparisons as a set."""

from __future__ import annotations

import json
import pkgutil
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from importlib import import_module
from importlib.resources import files
from typing import Any

import numpy as np

from spinfunnel.core import EFFORTS, BadInput, Calibration, CalibrationRow, Effort, seeds
from spinfunnel.instruments import NAMES, instrument
from spinfunnel.run import code_digest, versions
from spinfunnel.units import Failure, Progress, Unit, run_units

#: A calibration fails beyond this two-sided level over all its value rows together, and over the two tests
#: of the set of their sigmas together.
LEVEL = 0.01


def calibrations() -> dict[str, tuple[Calibration, ...]]:
    """Give all calibrations by what exports them: modules of maths, systems and dynamics, and instruments."""
    found: dict[str, tuple[Calibration, ...]] = {}
    for floor in ("maths", "systems", "dynamics"):
        path = f"spinfunnel.{floor}."
        for module in pkgutil.walk_packages(import_module(path[:-1]).__path__, path):
            exported = getattr(import_module(module.name), "calibrations", ())
            if exported:  # what a floor's, or a package's, own file `calibration` has is its own
                name = module.name.removeprefix(path).removesuffix("calibration").rstrip("_.")
                found[name or floor] = tuple(exported)
    found.update({name: own for name in NAMES if (own := instrument(name).calibrations)})
    return found


@dataclass(frozen=True)
class Calibrated:
    """All rows of a calibration, and how normal the set of its sigmas looks.

    `chi2_p` and `ks_p` are None with value rows of fewer than five systems. `failures` are calibrations that
    crashed.
    """

    rows: tuple[CalibrationRow, ...]
    chi2_p: float | None
    ks_p: float | None
    failures: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether every row holds, the set of sigmas looks normal, and nothing crashed."""
        normal = all(p is None or p > LEVEL / 2 for p in (self.chi2_p, self.ks_p))
        return normal and not self.failures and all(row.ok for row in self.rows)


def judge_calibration(rows: Iterable[CalibrationRow], failures: Sequence[str] = ()) -> Calibrated:
    """Judge rows as a set: each value row at the 1 % level over all of them, and all sigmas together.

    The tests of all sigmas together are for independent ones. Rows of one thing on one system often come from
    the same draws, so the first of them stands for all.

    >>> rows = [CalibrationRow.measured("x", "y", "z", exact=0, value=9., error=1., cap=2.)]
    >>> judge_calibration(rows).ok
    False
    """
    from scipy.special import chdtrc, ndtri
    from scipy.stats import kstest

    rows = list(rows)
    sigmas = np.array([row.sigma for row in rows if row.kind == "value" and row.sigma is not None])
    if sigmas.size:
        limit = float(-ndtri(LEVEL / 2 / sigmas.size))
        rows = [
            replace(row, ok=row.ok and row.sigma is not None and abs(row.sigma) <= limit)
            if row.kind == "value"
            else row
            for row in rows
        ]
    first = {(row.of, row.system): row.sigma for row in reversed(rows) if row.sigma is not None}
    alone = np.array(list(first.values()))
    if alone.size < 5 or not np.isfinite(sigmas).all():
        return Calibrated(tuple(rows), None, None, tuple(failures))
    upper = float(chdtrc(alone.size, float(alone @ alone)))
    chi2_p = 2 * min(upper, 1 - upper)  # too-small sigmas mean error bars that are too wide
    return Calibrated(tuple(rows), chi2_p, float(kstest(alone, "norm").pvalue), tuple(failures))


def _run(of: str, index: int, seed: int) -> list[CalibrationRow]:
    return [replace(row, of=of) for row in calibrations()[of][index].run(seed)]


def run_calibrations(
    names: Sequence[str] = (),
    *,
    effort: Effort = "quick",
    seed: int = 0,
    jobs: int = 1,
    keep: bool = False,
    progress: Progress | None = None,
) -> Calibrated:
    """Run the calibrations up to an effort ("full" runs all of them) and judge them as a set.

    With `keep`, what is finished is kept in the user's cache folder, so that a long study can be resumed.

    Raises:
        BadInput: if a name has no calibrations.
    """
    known = calibrations()
    for name in names:
        if name not in known:
            raise BadInput(f"{name!r} has no calibrations; these have: {', '.join(known)}")
    units = [
        Unit(
            f"{of}: {calibration.name}",
            _run,
            (of, index, seeds(seed, of, calibration.name)),
            cost=1.0 + 20.0 * EFFORTS.index(calibration.effort),
            key=f"{of} {calibration.name} {seed} {versions()} {code_digest()}" if keep else "",
        )
        for of, own in known.items()
        if not names or of in names
        for index, calibration in enumerate(own)
        if EFFORTS.index(calibration.effort) <= EFFORTS.index(effort)
    ]
    results: dict[int, Any] = dict(run_units(units, jobs=jobs, progress=progress))
    failures = [f"{r.where}: {r.error}" for r in results.values() if isinstance(r, Failure)]
    rows = [row for i in sorted(results) if isinstance(results[i], list) for row in results[i]]
    return judge_calibration(rows, failures)


def to_json(result: Calibrated, *, effort: str, seed: int) -> dict[str, Any]:
    """Give all rows, and how they were made, as what JSON can hold."""

    def plain(value: Any) -> Any:
        value = value.item() if isinstance(value, np.generic) else value
        return None if isinstance(value, float) and not np.isfinite(value) else value

    rows = [{key: plain(value) for key, value in asdict(row).items()} for row in result.rows]
    return {
        "effort": effort,
        "seed": seed,
        "versions": versions(),
        "chi2_p": result.chi2_p,
        "ks_p": result.ks_p,
        "failures": list(result.failures),
        "rows": rows,
        "ok": bool(result.ok),
    }


def measured(name: str) -> list[dict[str, Any]]:
    """Give the rows of the calibration that shipped with this version (`make calibrate` wrote them)."""
    recorded = files("spinfunnel") / "data" / "calibration.json"
    if not recorded.is_file():
        return []
    return [row for row in json.loads(recorded.read_text())["rows"] if row["of"] == name]
