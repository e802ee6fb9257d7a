"""Check and measure one device: python -m scripts.gpucheck --help."""

import json
import sys
import tempfile
from pathlib import Path

import click

from entrypoint.cli.run import quiet_libraries
from entrypoint.errors import YoloBacError
from entrypoint.settings import Settings


@click.command()
@click.option(
    "--data",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    required=True,
    help="Folder with weights/, images/, and reference/: what detect.py found.",
)
@click.option("--device", default="0", show_default=True, help="A GPU by its number; or cpu, to rehearse.")
@click.option("--quick", is_flag=True, help="Small sizes and few images, whose figures mean nothing.")
@click.option("--seconds", default=460.0, show_default=True, help="Time to keep to; what it does not reach is skipped.")
@click.option("--json", "path", type=click.Path(path_type=Path), help="Also write everything to this file.")
def main(data: Path, device: str, quick: bool, seconds: float, path: Path | None) -> None:
    """Print one page on how right, fast and robust the program is on a device.

    Ends with 0 when all checks passed, with 1 when one did not. Figures are no checks.
    """
    quiet_libraries()
    from entrypoint.detect.devices import devices_for  # after the libraries' settings
    from scripts.gpucheck import faults, parity, speed
    from scripts.gpucheck.place import QUICK, USUAL, Place
    from scripts.gpucheck.report import Report

    try:
        (chosen,) = devices_for(Settings(device=device, engine="torch"))
    except YoloBacError as error:
        raise click.ClickException(str(error)) from error
    report = Report(seconds)
    with tempfile.TemporaryDirectory(prefix="yolo-bac-gpu-") as scratch:
        place = Place(chosen, data, QUICK if quick else USUAL, Path(scratch))
        click.echo("  ".join(f"{name} {value}" for name, value in place.machine.items()))
        for check in (parity.check, faults.check_memory, faults.check_stopping, speed.check_network, speed.check_job):
            with report.checking(check.__name__):
                check(place, report)
    click.echo(f"\n{'; '.join(report.failures) or 'all checks passed'}, {report.elapsed:.0f} s")
    if path:
        path.write_text(json.dumps({"machine": place.machine} | report.to_json(), indent=2) + "\n")
    sys.exit(1 if report.failures else 0)


if __name__ == "__main__":
    main()
