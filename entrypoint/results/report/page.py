"""index.html: the page, filled in by jinja2, which escapes every name that comes from outside."""

import base64
import json
import zlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import PurePath
from typing import Any

from entrypoint.results.palettes import colour
from entrypoint.results.report.advice import advice_on
from entrypoint.results.report.collect import Collected
from entrypoint.results.report.templating import environment, policy, source
from entrypoint.results.runstatus import RunStatus
from entrypoint.resultsettings import Palette

_SAID_BY_FACTS = ("weights", "source", "device", "engine")
_MOST_CLASSES = 16
# Of pictures in one page, before base64 makes a third more of them.
_MAX_PICTURES = 9_500_000

Row = tuple[str, Any]


def page(
    status: RunStatus,
    collected: Collected,
    names: Sequence[str],
    *,
    thumbnail: Callable[[str], bytes | None],
    links: Mapping[str, str],
    annotated: bool,
    palette: Palette,
) -> bytes:
    """The whole page.

    `status` is what is known of the run when all its inputs have their records. `thumbnail` gives an input's picture,
    a JPEG; as many are embedded as the page has room for. `annotated` tells whether the run has left images, at
    images/<file> or where `links` says, with the colours of `palette`.
    """
    gallery = {
        **collected.gallery(names, links),
        "advice": {kind: advice_on(kind) for kind in collected.failures},
        "colours": [_web_colour(class_id, palette) for class_id in range(len(names))],
        "annotated": annotated,
    }
    style = source("report.css")
    script = source("gallery.js") + source("detail.js")
    text = (
        environment()
        .get_template("report.html")
        .render(
            policy=policy(script, style),
            style=style,
            script=script,
            data=_packed(gallery),
            thumbnails=_lines(collected.shown_files, thumbnail),
            **_words(status, collected, names, palette),
        )
    )
    return text.encode("utf-8", "backslashreplace")


def _words(status: RunStatus, collected: Collected, names: Sequence[str], palette: Palette) -> dict[str, Any]:
    """What the page says outside the gallery."""
    failed, shown = collected.failures.total(), len(collected.shown_files)
    return {
        "title": f"yolo-bac: {status.message}",
        "about": _about(status),
        "verdict": status.message,
        "state": "good" if status.exit_code == 0 else "bad",
        "collected": collected,
        "counts": _counts(status, collected),
        "facts": _facts(status),
        "failures": [(kind, count, advice_on(kind)) for kind, count in collected.failures.most_common()],
        "classes": _classes(collected, names, palette),
        "confidences": collected.confidence_bars,
        "objects": collected.object_bars,
        "throughput": _throughput(status.throughput),
        "sampled": f"{shown:,} of {collected.inputs:,} inputs, evenly spread; the charts count all."
        if shown < collected.inputs
        else "",
        "footer": f"Made by yolo-bac {status.versions.get('yolo-bac', '')}; the numbers are in "
        f"predictions.json.{' status.json counts failures by their kind.' if failed else ''}",
    }


def _about(status: RunStatus) -> list[str]:
    """Which weights looked at what, and when."""
    weights = PurePath((status.weights or {}).get("file") or "").name
    return [part for part in (weights, status.source, status.started[:16].replace("T", " ")) if part]


def _counts(status: RunStatus, collected: Collected) -> list[Row]:
    looked, failed = collected.by_objects.total(), collected.failures.total()
    rows: list[Row] = [
        ("Inputs", f"{collected.inputs:,}"),
        ("With objects", f"{looked - collected.by_objects[0]:,}"),
        ("Nothing found", f"{collected.by_objects[0]:,}"),
        ("Failed", f"{failed:,}"),
        ("Detections", f"{collected.detections:,}"),
    ]
    if status.throughput:
        rows.append(("Seconds", f"{status.throughput['seconds'] * len(status.throughput['done']):,.1f}"))
    return rows


def _facts(status: RunStatus) -> list[Row]:
    weights = status.weights or {}
    rows: list[Row] = [
        ("Weights", weights.get("file")),
        ("sha256 of the weights", weights.get("sha256")),
        ("Source", status.source),
        ("Device", status.device),
        ("Engine", status.engine),
        ("Started", status.started),
        *(
            (f"--{name.replace('_', '-')}", value)
            for name, value in status.settings.items()
            if name not in _SAID_BY_FACTS
        ),
    ]
    return [(label, _plain(value)) for label, value in rows if value not in (None, "", [])]


def _classes(
    collected: Collected, names: Sequence[str], palette: Palette
) -> list[tuple[str, int, int | None, str | None]]:
    """Name, count, number and colour of the most frequent classes, and one line for the others."""
    ranked = collected.by_class.most_common()
    rows: list[tuple[str, int, int | None, str | None]] = [
        (names[class_id], count, class_id, _web_colour(class_id, palette)) for class_id, count in ranked[:_MOST_CLASSES]
    ]
    others = ranked[_MOST_CLASSES:]
    if others:
        rows.append((f"{len(others)} other classes", sum(count for _, count in others), None, None))
    return rows


def _throughput(series: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """The line of a chart 400 wide and 130 high, from how many inputs were done in each stretch of time."""
    if not series or len(series["done"]) < 2:
        return None
    rates = [count / series["seconds"] for count in series["done"]]
    most, step = max(rates), 400 / (len(rates) - 1)
    points = " ".join(f"{place * step:.1f},{130 - 110 * rate / most:.1f}" for place, rate in enumerate(rates))
    return {
        "points": points,
        "seconds": f"{series['seconds'] * len(rates):,.0f}",
        "summary": f"at most {most:,.1f}, on average {sum(rates) / len(rates):,.1f}",
    }


def _packed(value: object) -> str:
    """JSON, deflated, in base64: a fifth of its size, and nothing in it can end the element that it stands in."""
    text = json.dumps(value, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return base64.b64encode(zlib.compress(text.encode("utf-8", "backslashreplace"), 6)).decode()


def _lines(shown: Sequence[str], thumbnail: Callable[[str], bytes | None]) -> str:
    """A line of base64 for each input of the gallery, empty for one without a picture."""
    room, lines = _MAX_PICTURES, []
    for file in shown:
        picture = (thumbnail(file) or b"") if room > 0 else b""
        room -= len(picture)
        lines.append(base64.b64encode(picture).decode() if room >= 0 else "")
    return "\n".join(lines)


def _web_colour(class_id: int, palette: Palette) -> str:
    """The colour that a class has in the images of the run."""
    blue, green, red = colour(class_id, palette)
    return f"#{red:02x}{green:02x}{blue:02x}"


def _plain(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)
