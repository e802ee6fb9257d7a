"""What `yolo-bac evaluate` and `yolo-bac compare` do: runs in, a summary on stdout and files out."""

from pathlib import Path

from entrypoint import log
from entrypoint.errors import EXIT_OK
from entrypoint.evaluate import compare as comparing
from entrypoint.evaluate.evaluation import evaluate
from entrypoint.evaluate.figures import as_json
from entrypoint.evaluate.page import page
from entrypoint.evaluate.runs import read_run, write_page
from entrypoint.evaluate.table import as_text
from entrypoint.jsontext import compact
from entrypoint.results.formats.images import Images
from entrypoint.results.summary import print_summary
from entrypoint.text import printable

_MARK = b"yolo-bac: "


def evaluate_run(run: Path, truth: Path, out: Path | None) -> int:
    """Measure a run against a ground truth; evaluation.json and evaluation.html go to `out`, by default to the run.

    Raises SourceError, OutputError.
    """
    status, records = read_run(run)
    names = (status.weights or {})["classes"]
    least = status.identity["settings"].get("conf_thres")
    found = evaluate(records, names, truth, least if isinstance(least, (int, float)) else None)
    log.release()
    folder = out or run
    annotated = Images.name in status.formats and folder.resolve() == run.resolve()
    plain = {"program": "yolo-bac: evaluate", "truth": printable(truth), **as_json(found)}
    write_page(folder / "evaluation.json", compact(plain) + b"\n", _MARK)
    write_page(folder / "evaluation.html", page(found, annotated=annotated), _MARK)
    print_summary(f"{as_text(found)}Written: {printable(folder / 'evaluation.html')} and evaluation.json\n")
    return EXIT_OK


def compare_runs(first: Path, second: Path, out: Path | None) -> int:
    """Tell what changed between two runs; with `out`, all of it goes to comparison.json there.

    Raises SourceError, OutputError.
    """
    (status, records), (other_status, other_records) = read_run(first), read_run(second)
    log.release()
    settings = (_deciding(status.identity), _deciding(other_status.identity))
    found = comparing.compare(records, other_records, settings)
    if out:
        plain = {"program": "yolo-bac: compare", **comparing.as_json(found)}
        write_page(out / "comparison.json", compact(plain) + b"\n", _MARK)
    print_summary(comparing.as_text(found))
    return EXIT_OK


def _deciding(identity: dict[str, object]) -> dict[str, object]:
    settings = identity.get("settings")
    plain = settings if isinstance(settings, dict) else {}
    return {**plain, "weights": identity.get("weights"), "version": identity.get("version")}
