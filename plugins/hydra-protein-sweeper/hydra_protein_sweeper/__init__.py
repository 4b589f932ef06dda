"""hydra/sweeper=protein: what the plugin does when a sweep starts.

A Hydra app's ``-m`` becomes a sweep file of metta_sweep whose command is the app's own command line; a controller in a
process of its own, in this environment or another, runs it. Standard library, Hydra and OmegaConf only.

=============  ==================================================================
``sweeping``   one screen: read, check, hand over, tell what was found
``settings``   the block ``hydra.sweeper``, and the names that other sweepers use
``grammar``    Hydra's sweeps as parameters
``space``      ``params`` and the command line, sorted
``checking``   every choice is composed, every key and type checked
``app``        the app's own command line
``launchers``  ``hydra/launcher`` as a launcher of ours
``asking``     the sweep file and the controller's words
``controller`` the controller's process
``callback``   inside each run: the return value becomes the run's result
=============  ==================================================================
"""
