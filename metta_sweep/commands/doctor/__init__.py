"""``metta-sweep doctor``: checks this machine, or a sweep and its files."""
