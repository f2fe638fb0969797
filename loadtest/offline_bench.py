"""What exports cost: a training set against DuckDB and Feast, a snapshot against DuckDB and what reads feel of it."""

import dataclasses

import offline_snapshot
import offline_training


@dataclasses.dataclass
class OfflineResult:
    training: offline_training.TrainingResult
    snapshot: offline_snapshot.SnapshotResult


def measure(folder, size, say):
    """BenchError where one answers something else than another."""
    for name in ("training", "snapshot"):
        (folder / name).mkdir()
    return OfflineResult(offline_training.measure(folder / "training", size, say),
                         offline_snapshot.measure(folder / "snapshot", size, say))
