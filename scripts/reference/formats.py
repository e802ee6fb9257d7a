"""docs/formats.md: every format, from its declaration."""

from entrypoint.results.formats import all_formats
from entrypoint.results.formats.base import Format

_HEAD = """# Formats

What a run writes. Each format is one file of [entrypoint/results/formats](../entrypoint/results/formats), which
declares what stands here; `scripts/docs` writes this page.

`--format NAME` asks for one that is not written by default, and `--format no-NAME` does without one that is; several go
with commas or spaces between them. An option of detect.py's means the same. `convert-results` makes those that are
marked as such from a run that has ended.

| name | by default | option of detect.py's | made for each | by convert-results | |
|---|---|---|---|---|---|
"""
_EACH = {"frame": "image", "medium": "input", "run": "run"}


def formats() -> str:
    """The page."""
    rows = sorted(all_formats(), key=lambda kind: (not kind.default, kind.name))
    return _HEAD + "".join(map(_row, rows))


def _row(kind: type[Format]) -> str:
    option = f"`{kind.option}`{' leaves it out' * kind.default}" if kind.option else ""
    text = kind.help.replace("|", "\\|").replace("<", "\\<")
    afterwards = "" if kind.needs_images else "yes"
    return f"| `{kind.name}` | {'yes' * kind.default} | {option} | {_EACH[kind.level]} | {afterwards} | {text} |\n"
