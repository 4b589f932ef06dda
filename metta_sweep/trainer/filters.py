"""The convolutions of the conv encoder, and the pictures that are large enough for them. Light: no torch."""

from __future__ import annotations

from typing import TypeAlias

Filters: TypeAlias = tuple[tuple[int, int, int], ...]
"""Layer by layer: how many filters, their size and their stride."""

ATARI: Filters = ((32, 8, 4), (64, 4, 2), (64, 3, 1))
"""The network of Mnih et al. (2015) for the screen of a game."""
GRID: Filters = ((32, 3, 1), (32, 3, 2))
"""The same for the few cells that an agent on a grid sees."""


def least_side(layers: Filters) -> int:
    """Return the side of the smallest picture that the layers leave one cell of."""
    side = 1
    for _, size, stride in reversed(layers):
        side = (side - 1) * stride + size
    return side


def picture_problem(picture: tuple[int, int, int] | None, *, of_codes: bool) -> str | None:
    """Return why convolutions cannot look at what an environment shows; None where they can.

    Args:
        picture: (channels, height, width), or None where there is no picture.
        of_codes: Whether it is a grid of codes, not a screen.
    """
    if picture is None:
        return "this environment shows no picture: need dense or auto"
    least = least_side(GRID if of_codes else ATARI)
    if min(picture[1:]) < least:
        return f"convolutions need a picture of at least {least}x{least}, got {picture[1]}x{picture[2]}"
    return None
