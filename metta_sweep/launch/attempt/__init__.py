"""One attempt at a run, kept by a small process of its own: its order, its marks, its log, its end."""
