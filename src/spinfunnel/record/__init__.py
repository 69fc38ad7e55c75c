"""What happened during training: a `Recorder` writes it down, a `History` reads it back.

A folder holds `history.jsonl`, a line about the model and then one for each record, and snapshots of the
weights, `step-000000120.safetensors`. A snapshot is complete before it has its name, and lines are only
appended, so what a killed run leaves behind can be read. Disk use is bounded: when there are `keep`
snapshots, every other one is deleted and from then on half as many are taken. So they are always evenly
spaced over the run, and between keep/2 and keep (and the last). The lines of deleted ones stay; their
number grows with the logarithm of the number of steps.
"""

from spinfunnel.record.reading import History, is_history, read
from spinfunnel.record.writing import Recorder

__all__ = ["History", "Recorder", "is_history", "read"]
