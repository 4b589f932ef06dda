"""A sweep that several machines share through W&B: the loop's port ``Peers``, and the mirror's part in it.

``claims`` decides who does what, ``machines`` asks W&B, ``sharing`` works in the mirror and writes the ``board``, which
``peers`` reads for the controller; ``retelling`` makes events of what others did.
"""
