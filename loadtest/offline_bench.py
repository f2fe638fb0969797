"""What exports cost: a training set against DuckDB and Feast."""

import dataclasses

import offline_training


@dataclasses.dataclass
class OfflineResult:
    training: offline_training.TrainingResult


def measure(folder, size, say):
    """BenchError where one answers something else than another."""
    for name in ("training",):
        (folder / name).mkdir()
    return OfflineResult(offline_training.measure(folder / "training", size, say))
