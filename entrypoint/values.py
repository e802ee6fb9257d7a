"""The values that flow from the detector to the writers: detections, failures, records, and these as JSON."""

import json
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

Record = dict[str, Any]
"""One input's entry in the JSON outputs; `schemas/record.schema.json` describes it."""

# Finer than float32 resolves at a thousand pixels, so rounding hides nothing.
_BOX_DECIMALS, _CONFIDENCE_DECIMALS = 4, 6
_ENCODER = json.JSONEncoder(ensure_ascii=False, allow_nan=False)

OUT_OF_MEMORY = "out_of_memory"
"""The one kind of Failure that may pass: alone, the same image may fit."""


@dataclass(frozen=True, slots=True)
class Failure:
    """Why an input has no detections: a short `kind` to count by, and a `detail` for a person."""

    kind: str
    detail: str

    def __str__(self) -> str:
        return f"{self.kind}: {self.detail}"


@dataclass(frozen=True, slots=True)
class Detections:
    """What was found in one image, by falling confidence.

    `xyxy` (n, 4) float32 pixels of the upright image; `confidence` (n,) float32 in [0, 1]; `class_id` (n,) int64.
    """

    xyxy: NDArray[np.float32]
    confidence: NDArray[np.float32]
    class_id: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.confidence)

    @classmethod
    def from_rows(cls, rows: NDArray[np.float32], xyxy: NDArray[np.float32]) -> Self:
        """From the (n, 6) rows of `model.nms.select`, with their boxes already in image pixels."""
        return cls(xyxy, rows[:, 4], rows[:, 5].astype(np.int64))


def detection_record(file: str, width: int, height: int, found: Detections, names: tuple[str, ...]) -> Record:
    """The record of an image that was looked at; no detections is an empty list."""
    boxes = found.xyxy.astype(np.float64).round(_BOX_DECIMALS).tolist()
    confidences = found.confidence.astype(np.float64).round(_CONFIDENCE_DECIMALS).tolist()
    return {
        "file": file,
        "width": width,
        "height": height,
        "detections": [
            {
                "name": names[class_id],
                "class": class_id,
                "confidence": confidence,
                "box": dict(zip(("x1", "y1", "x2", "y2"), box, strict=True)),
            }
            for class_id, confidence, box in zip(found.class_id.tolist(), confidences, boxes, strict=True)
        ],
        "failure": None,
    }


def failure_record(file: str, failure: Failure) -> Record:
    """The record of an input that could not be looked at."""
    return {"file": file, "width": None, "height": None, "detections": None, "failure": str(failure)}


def parse(line: str | bytes) -> Record:
    """The record on a line."""
    record: Record = json.loads(line)
    return record


def compact(value: object) -> bytes:
    """Standard JSON on one line: no NaN, no escapes that readers need not see."""
    return _ENCODER.encode(value).encode()
