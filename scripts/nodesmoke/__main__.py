"""Run the guide's commands and job files on real nodes, and check what comes out: python -m scripts.nodesmoke IMAGE

The orchestrator is the one that the client `bacalhau` is set to; the nodes must reach this machine at --address.
"""

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import click

from scripts.nodesmoke.bench import Bench
from scripts.nodesmoke.checks import CHECKS
from scripts.nodesmoke.guidechecks import guide_checks
from scripts.nodesmoke.network import LeftOutError, connected
from scripts.nodesmoke.serving import serve


@click.command()
@click.argument("image")
@click.option("--address", default="127.0.0.1", help="Address of this machine that nodes download inputs from.")
@click.option("--folder", type=click.Path(path_type=Path), help="Folder that the nodes allow and share with us.")
@click.option("--s3", help="Endpoint of an S3 service; its credentials are AWS's usual variables.")
@click.option("--bucket", default="your-bucket", help="Bucket in that service.")
@click.option("--lose", help="Shell command that takes away the node with the id $NODE; fails where it cannot.")
@click.option("--label", default="os_type=linux", help="Label of the nodes that the ops job is for.")
@click.option("--only", default="", help="Run only the checks whose name has this word.")
def main(
    image: str,
    address: str,
    folder: Path | None,
    s3: str | None,
    bucket: str,
    lose: str | None,
    label: str,
    only: str,
) -> None:
    """Check IMAGE, the name by which nodes pull it; the exit code is 1 if any check fails."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as root:
        served = Path(root) / "served"
        served.mkdir()
        with serve(served, address) as url:
            network = connected()
            click.echo(f"{len(network.nodes)} nodes")
            bench = Bench(image, Path(root), network, served, url, folder, s3, bucket, label, lose)
            checks = [*guide_checks(), *((check.__name__.replace("_", " "), check) for check in CHECKS)]
            done = [_run(bench, name, check) for name, check in checks if only in name]
            bench.close()
    failed, left_out = done.count("FAIL"), done.count("left")
    click.echo(f"{len(done) - failed - left_out} passed, {failed} failed, {left_out} left out")
    sys.exit(bool(failed))


def _run(bench: Bench, name: str, check: Callable[[Bench], None]) -> str:
    """Make one check and say how it ended: `ok`, `FAIL`, or `left` where it cannot be made here."""
    started = time.monotonic()
    try:
        check(bench)
        outcome, words = "ok", ""
    except LeftOutError as error:
        outcome, words = "left", f" out: {error}"
    except Exception as error:  # noqa: BLE001 - every check is run, whatever one finds
        outcome, words = "FAIL", f": {type(error).__name__}: {error}"
    click.echo(f"{outcome:4} {name} ({time.monotonic() - started:.1f} s){words}")
    return outcome


if __name__ == "__main__":
    main()
