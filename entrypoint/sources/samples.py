"""Media and weights that need no mount: ultralytics' two photographs, and the embedded demo."""

from importlib.util import find_spec
from pathlib import Path

from entrypoint.errors import SourceError

_DEMO = Path(__file__).parent.parent / "demo"
DEMO_WEIGHTS = _DEMO / "shapes.pt"
DEMO_SCENES = _DEMO / "scenes"
DEMO_IMGSZ = 320  # what the demo network was trained at


def bundled_images() -> Path:
    """The folder with bus.jpg and zidane.jpg inside the installed ultralytics package, which is not imported.

    Raises SourceError when the package is not installed.
    """
    spec = find_spec("ultralytics")
    for root in (spec.submodule_search_locations or ()) if spec else ():
        if (assets := Path(root) / "assets").is_dir():
            return assets
    raise SourceError("no source: the bundled samples come with the ultralytics package, which is not installed")
