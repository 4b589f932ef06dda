"""Configuration: what was asked. The only reader of OmegaConf and Hydra beside the entry point.

``ask`` turns the words of a command line into :class:`Asked`, or into one error that lists everything wrong.
"""

from metta_sweep.config.ask import ask
from metta_sweep.config.asked import Asked
from metta_sweep.config.origins import Origin
from metta_sweep.config.training_schema import Rule, TrainingSchema

__all__ = ["Asked", "Origin", "Rule", "TrainingSchema", "ask"]
