"""Statistical mechanics for trained neural networks.

    import spinfunnel as sf

    report = sf.diagnose("model.safetensors")     # a path, a torch module, a mapping of arrays
    report["spectrum"].table("layers")            # a pandas DataFrame
    sf.spectrum(W)                                # every instrument is callable on an array

Names are imported when first used, so that `import spinfunnel` costs next to nothing.
"""

from __future__ import annotations

from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from spinfunnel.core import (
        BadInput,
        Finding,
        Instrument,
        Number,
        Series,
        SpinfunnelError,
        Table,
        UnsafeFile,
        Verdict,
    )
    from spinfunnel.record import Recorder
    from spinfunnel.report import Report
    from spinfunnel.run import compare, diagnose
    from spinfunnel.subject import Subject, subject_of

__version__ = "0.1.0"

__all__ = [
    "BadInput",
    "Finding",
    "Instrument",
    "Number",
    "Recorder",
    "Report",
    "Series",
    "SpinfunnelError",
    "Subject",
    "Table",
    "UnsafeFile",
    "Verdict",
    "__version__",
    "compare",
    "diagnose",
    "subject_of",
]

_HOMES = {
    "Recorder": "spinfunnel.record",
    "Report": "spinfunnel.report",
    "Subject": "spinfunnel.subject",
    "compare": "spinfunnel.run",
    "diagnose": "spinfunnel.run",
    "subject_of": "spinfunnel.subject",
}


def __getattr__(name: str) -> Any:
    if name in __all__:
        return getattr(import_module(_HOMES.get(name, "spinfunnel.core")), name)
    if name in import_module("spinfunnel.instruments").NAMES:
        return partial(import_module("spinfunnel.run").find, name)
    raise AttributeError(f"module 'spinfunnel' has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*__all__, *import_module("spinfunnel.instruments").NAMES]
