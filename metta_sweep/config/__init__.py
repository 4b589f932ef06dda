"""Configuration: what was asked. The only reader of OmegaConf and Hydra beside the entry point.

:func:`metta_sweep.config.ask.ask` turns the words of a command line into :class:`metta_sweep.config.asked.Asked`, or
into one error that lists everything wrong. The settings that the domain carries (:mod:`metta_sweep.config.settings`)
load neither hydra nor pydantic.
"""
