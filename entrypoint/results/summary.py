"""The last word on stdout: under 2 KB, the most important line first."""

import sys
from collections.abc import Sequence
from pathlib import Path

from entrypoint.host.memory import advice
from entrypoint.log import LOG
from entrypoint.results.status import Counts
from entrypoint.text import shown
from entrypoint.values import OUT_OF_MEMORY

_MAX_BYTES = 2000
_SHOWN_FAILURES = 5
_MAX_LINE = 200


def verdict(counts: Counts) -> str:
    """One line on how it went."""
    if not counts.total:
        return "Nothing to do: the source holds no media."
    kind = "image" if not counts.videos else "video" if counts.videos == counts.total else "input"
    images = f"{counts.total} {kind}{'s' * (counts.total != 1)}"
    found = f"{counts.detections} detection{'s' * (counts.detections != 1)}"
    if counts.done + counts.failed < counts.total:  # of the rest nothing is known
        failed = f"{counts.failed} failed, " if counts.failed else ""
        return f"{counts.done} of {images} done, {failed}{found}."
    if counts.failed:
        return f"{counts.failed} of {images} failed; {found} in the other {counts.done}."
    return f"{images}, {found}."


def summary(counts: Counts, path: Path, seconds: float, first: str | None = None, notes: Sequence[str] = ()) -> str:
    """Return what is printed when a run ends. Its first line is the verdict; `notes` are lines of their own."""
    lines = [first or verdict(counts), f"Results: {path}", *notes]
    if counts.reused:
        lines.append(f"Continued: {counts.reused} were done before.")
    if counts.taken_over or counts.new or counts.gone:
        lines.append(f"From earlier runs: {counts.taken_over} taken over, {counts.new} new, {counts.gone} gone.")
    if counts.failed:
        lines += [f"  {shown(line)[:_MAX_LINE]}" for line in counts.failed_files[:_SHOWN_FAILURES]]
        if counts.failed > _SHOWN_FAILURES:
            lines.append(f"  and {counts.failed - _SHOWN_FAILURES} more, in status.json")
        if counts.failures[OUT_OF_MEMORY]:
            lines.append(f"Out of memory: {advice()}.")
        lines.append("What may fail: --max-failures N lets a run with up to N failures end with exit code 0.")
    lines.append(f"Time: {seconds:.1f} s{_speed(counts, seconds)}.")
    return "\n".join(map(shown, lines)).encode()[:_MAX_BYTES].decode("utf-8", "ignore") + "\n"


def _speed(counts: Counts, seconds: float) -> str:
    looked = counts.done + counts.failed - counts.reused - counts.taken_over
    if counts.videos:  # of which some frames may have been looked at before
        return f"; {counts.frames} frames in {counts.videos} video{'s' * (counts.videos != 1)}"
    return f", {looked / seconds:.1f} images a second" if looked and seconds else ""


def print_summary(text: str) -> None:
    """Write it to stdout; that nobody reads it is no failure of the run."""
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except (OSError, ValueError) as error:  # nobody reads it; the results are on disk all the same
        LOG.warning("the summary cannot be printed: %s", error)
