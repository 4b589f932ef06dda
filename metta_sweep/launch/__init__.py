"""What starts runs. An attempt is kept by a small process of its own, so that nothing else's death can lose it.

::

    controller ── LocalLauncher ──JSON lines──► fork server (torch loaded, one thread)
                                                   └─ keeper, one an attempt: time limit, log, exit record
                                                        └─ the run and whatever it starts
"""
