"""What suggests: the port that every optimizer has (``port``), its registry, and the optimizers themselves."""
