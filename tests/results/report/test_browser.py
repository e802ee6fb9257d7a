"""The report in a browser, clicked through as its reader would; `scripts/browser FOLDER` installs what that needs."""

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from entrypoint.results.report.collect import MOST_SHOWN
from entrypoint.results.report.page import page
from entrypoint.results.report.thumbnails import encoded
from tests.results.report.runs import NAMES, STATUS, collected
from tests.results.report.test_thumbnails import plain


@pytest.fixture(scope="module")
def modules() -> str:
    """The folder with the modules that drive the browser."""
    folder = os.environ.get("YOLO_BAC_BROWSER")
    if not folder or not shutil.which("chromium") or not shutil.which("node"):
        pytest.skip("YOLO_BAC_BROWSER names no folder that scripts/browser has filled, or there is no Chromium")
    return folder


def clicked(modules: str, path: Path) -> Any:
    """What was seen on the click path through a page."""
    pictures = os.environ.get("YOLO_BAC_SCREENSHOTS", "")
    command: list[str | Path] = ["node", Path(__file__).parent / "click.js", modules, path, pictures]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="module", params=[14, MOST_SHOWN], ids=["few", "fifty thousand"])
def seen(request: pytest.FixtureRequest, modules: str, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """What was seen of a run of so many inputs, and how many these were."""
    count = request.param
    picture = encoded(plain(90, 160, 120)) if count == 14 else None
    path = tmp_path_factory.mktemp("report") / "index.html"
    given: dict[str, Any] = {"links": {}, "annotated": False, "palette": "bright"}
    path.write_bytes(page(STATUS, collected(count), NAMES, thumbnail=lambda _: picture, **given))
    return clicked(modules, path) | {"count": count}


def test_hostile_names_run_nothing_and_nothing_leaves_the_page(seen: Any) -> None:
    assert seen["alarms"] == []
    assert seen["steps"]["hacked"] is None


def test_axe_finds_nothing_in_light_dark_and_on_a_phone(seen: Any) -> None:
    assert seen["axe"] == []
    assert seen["steps"]["wider"] <= 0


def test_the_page_is_ready_in_two_seconds_and_filters_in_fifty_milliseconds(seen: Any) -> None:
    assert seen["steps"]["ready"] < 2000
    assert seen["steps"]["filter"] < 50
    assert seen["steps"]["nodes"] < 1200


def test_the_click_path(seen: Any) -> None:
    steps, count = seen["steps"], f"{seen['count']:,}"
    assert steps["all"] == f"{count} of {count}"
    assert steps["filtered"] == steps["recalled"] != steps["all"]
    assert steps["hash"] == "#class=1&least=60"
    assert steps["second"].endswith("000001.JPG") and steps["third"].endswith("000002.JPG")
    assert steps["focused"] == steps["third"]
    assert steps["last"].endswith(f"{seen['count'] - 1:06}.JPG")
    assert steps["failed"].startswith(f"{(seen['count'] + 92) // 100:,} of ")
    assert "an <i>end</i> is missing" in steps["advice"] and "Copy it again" in steps["advice"]
    assert steps["link"] == "images/a%20b/%C3%BC%20(1)%23%25%3F.jpg"
