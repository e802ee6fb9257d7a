"""Run the image as each kind of user would, and check what comes out: python -m scripts.smoke [IMAGE]

Every check starts containers of the image and looks at exit codes, messages and files. Nothing is downloaded; real
weights and photographs are used where YOLO_BAC_TEST_DATA names them, the embedded demo's elsewhere.
"""

import sys
import tempfile
import time
from pathlib import Path

import click

from scripts.smoke.bench import Bench
from scripts.smoke.checks import CHECKS


@click.command()
@click.argument("image", default="myorg/yolo-bac:0.1.0")
def main(image: str) -> None:
    """Check IMAGE; the exit code is 1 if any check fails."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as root:
        Path(root).chmod(0o755)
        bench = Bench(image, Path(root))
        for check in CHECKS:
            started = time.monotonic()
            try:
                check(bench)
                outcome = "ok  "
            except Exception as error:  # noqa: BLE001 - every check is run, whatever one finds
                bench.failed.append(check.__name__)
                outcome = f"FAIL {type(error).__name__}: {error}\n    "
            click.echo(f"{outcome} {check.__name__.replace('_', ' ')} ({time.monotonic() - started:.1f} s)")
    click.echo(f"{len(CHECKS) - len(bench.failed)} passed, {len(bench.failed)} failed")
    sys.exit(bool(bench.failed))


if __name__ == "__main__":
    main()
