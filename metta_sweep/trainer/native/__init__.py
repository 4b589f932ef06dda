"""The inner loops of learning in C, where this machine has a compiler; whatever uses them does the same without."""
