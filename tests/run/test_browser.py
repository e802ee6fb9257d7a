"""An annotated video plays in a browser: Chromium seeks in it and shows the right frame. Without Chromium: skipped."""

import base64
import shutil
import subprocess
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import pytest

from tests.conftest import Ended
from tests.videos import Recipe, make_video, numbered

Run = Callable[..., Ended]
COUNT, RATE = 50, 25
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")

# Seeks to the middle of frame 30, and tells the number that the frame carries in its squares.
PAGE = """<video id=v muted src="data:video/mp4;base64,%s"></video><p id=said>nothing</p><script>
const video = document.getElementById("v"), said = document.getElementById("said");
video.onerror = () => said.textContent = "error " + video.error.message;
video.onloadedmetadata = () => video.currentTime = 30.5 / 25;
video.onseeked = () => {
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [video.videoWidth, video.videoHeight];
  const context = canvas.getContext("2d");
  context.drawImage(video, 0, 0);
  let number = 0;
  for (let bit = 0; bit < 10; bit++) {
    const x = bit %% 5 * 16 + 8, y = Math.floor(bit / 5) * 16 + 8;
    if (context.getImageData(x, y, 1, 1).data[0] > 128) number += 1 << bit;
  }
  said.textContent = [number, video.duration.toFixed(2), canvas.width, canvas.height].join(" ");
};
</script>"""


@pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed: `apt-get install chromium` brings it")
@pytest.mark.parametrize("recipe", [Recipe(audio="aac"), Recipe(times=range(COUNT), time_base=Fraction(1, RATE))])
def test_an_annotated_video_plays_and_seeks_in_chromium(yolo_bac: Run, tmp_path: Path, recipe: Recipe) -> None:
    make_video(tmp_path / "a.mkv", [numbered(number) for number in range(COUNT)], recipe)
    options = ["--imgsz", 64, "--conf-thres", 1]
    assert yolo_bac("--demo", "--source", tmp_path / "a.mkv", "--project", tmp_path, *options).code == 0
    shown = (tmp_path / "exp" / "images" / "a.mkv.mp4").read_bytes()
    (tmp_path / "page.html").write_text(PAGE % base64.b64encode(shown).decode())
    flags = ["--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path}/profile"]
    command = [str(CHROMIUM), *flags, "--virtual-time-budget=20000", "--dump-dom", f"file://{tmp_path}/page.html"]
    page = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert '<p id="said">30 2.00 192 128</p>' in page.stdout, page.stdout[-300:] + page.stderr[-2000:]
