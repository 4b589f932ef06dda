"""A sweep over a Python function: :func:`run` and, in an ``async`` program, :func:`run_async`.

``reference``   how a function is named, so that another process finds it
``calling``     how it is called, and what its return value means
``trial``       what it is given beside its config
``child``       one run in a process of its own: ``python -m metta_sweep.function.child``
``request``     the arguments of :func:`run` as a request
``running``     the controller beside the thread that asked
"""
