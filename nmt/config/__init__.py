"""The configuration tree: data only, validated once, frozen afterwards."""

from nmt.config.experiment import Experiment
from nmt.config.loading import load_experiment

__all__ = ["Experiment", "load_experiment"]
