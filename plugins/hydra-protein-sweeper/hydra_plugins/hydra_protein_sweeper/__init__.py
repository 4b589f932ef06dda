"""Where Hydra looks for the plugin; all that it does is in ``hydra_protein_sweeper``, loaded when a sweep starts."""
