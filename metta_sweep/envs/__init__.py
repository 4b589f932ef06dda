"""Native vectorized environments, written in numpy, behind the one interface of :mod:`metta_sweep.envs.vec_env`."""
