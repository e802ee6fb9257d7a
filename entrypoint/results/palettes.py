"""The colours of classes, BGR in [0, 255]."""

import colorsys
from functools import cache

from entrypoint.resultsettings import Palette

Colour = tuple[int, int, int]

_HUE_STEP = 0.618034  # the golden ratio: neighbouring classes get distant hues, however many there are
# Of Okabe and Ito: told apart with every kind of colour vision. After eight classes they begin anew.
_SAFE = ("E69F00", "56B4E9", "009E73", "F0E442", "0072B2", "D55E00", "CC79A7", "FFFFFF")


@cache
def colour(class_id: int, palette: Palette = "bright") -> Colour:
    """Always the same for a class."""
    if palette == "safe":
        red, green, blue = bytes.fromhex(_SAFE[class_id % len(_SAFE)])
        return blue, green, red
    light = 1.0 - 0.25 * (class_id % 3 == 2)
    shares = colorsys.hsv_to_rgb(class_id * _HUE_STEP % 1, 0.85, light)
    red, green, blue = (round(share * 255) for share in shares)
    return blue, green, red
