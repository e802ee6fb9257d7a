"""The one layer that 11 brought; its C3k2 is a C2f of other blocks."""

from entrypoint.models import operations as ops
from entrypoint.models.graph import Value
from entrypoint.models.ultralytics.operations import halves
from entrypoint.models.yolov5.layers import Layer


def c2psa(x: Value, cv1: Layer, cv2: Layer, m: Layer) -> Value:
    """Blocks of attention over the second half of the channels."""
    first, second = halves(cv1(x))
    return cv2(ops.concat([first, m(second)]))
