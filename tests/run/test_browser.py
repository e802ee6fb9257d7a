"""An annotated video plays in a browser: Chromium seeks in it and shows the right frame. Without Chromium: skipped."""

import queue
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.conftest import Ended
from tests.videos import Recipe, make_video, numbered

Run = Callable[..., Ended]
COUNT, RATE = 50, 25
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")

# Seeks to the middle of frame 30, and tells the number that the frame carries in its squares.
PAGE = b"""<video id=v muted src="video.mp4"></video><script>
const video = document.getElementById("v");
const say = words => fetch("said", {method: "POST", body: words});
video.onerror = () => say("error " + video.error.message);
video.onloadedmetadata = () => video.currentTime = 30.5 / 25;
video.onseeked = () => {
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [video.videoWidth, video.videoHeight];
  const context = canvas.getContext("2d");
  context.drawImage(video, 0, 0);
  let number = 0;
  for (let bit = 0; bit < 10; bit++) {
    const x = bit % 5 * 16 + 8, y = Math.floor(bit / 5) * 16 + 8;
    if (context.getImageData(x, y, 1, 1).data[0] > 128) number += 1 << bit;
  }
  say([number, video.duration.toFixed(2), canvas.width, canvas.height].join(" "));
};
</script>"""


@contextmanager
def served(video: bytes) -> Iterator[tuple[str, "queue.Queue[str]"]]:
    """The page with the video, at an address on this machine, and what it says."""
    said: queue.Queue[str] = queue.Queue()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            kind, data = ("video/mp4", video) if self.path == "/video.mp4" else ("text/html", PAGE)
            # Who seeks asks for the bytes from some place on.
            start = int(self.headers.get("Range", "bytes=0-").removeprefix("bytes=").partition("-")[0])
            self.send_response(206 if "Range" in self.headers else 200)
            self.send_header("Content-Type", kind)
            self.send_header("Accept-Ranges", "bytes")
            self.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
            self.send_header("Content-Length", str(len(data) - start))
            self.end_headers()
            self.wfile.write(data[start:])

        def do_POST(self) -> None:
            said.put(self.rfile.read(int(self.headers["Content-Length"])).decode())
            self.send_response(204)
            self.end_headers()

        def log_message(self, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/page.html", said
        server.shutdown()


@pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed: `apt-get install chromium` brings it")
@pytest.mark.parametrize("recipe", [Recipe(audio="aac"), Recipe(times=range(COUNT), time_base=Fraction(1, RATE))])
def test_an_annotated_video_plays_and_seeks_in_chromium(yolo_bac: Run, tmp_path: Path, recipe: Recipe) -> None:
    make_video(tmp_path / "a.mkv", [numbered(number) for number in range(COUNT)], recipe)
    options = ["--imgsz", 64, "--conf-thres", 1]
    assert yolo_bac("--demo", "--source", tmp_path / "a.mkv", "--project", tmp_path, *options).code == 0
    video, heard = (tmp_path / "exp" / "images" / "a.mkv.mp4").read_bytes(), ""
    for attempt in range(3):  # a busy machine may show the frame later than it says
        heard = heard if heard == "30 2.00 192 128" else shown_by_chromium(video, tmp_path / f"profile{attempt}")
    assert heard == "30 2.00 192 128"


def shown_by_chromium(video: bytes, profile: Path) -> str:
    """The number in the frame that was sought, the duration, width and height."""
    with served(video) as (address, said):
        flags = ["--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={profile}"]
        command = [str(CHROMIUM), *flags, "--remote-debugging-port=0", address]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as browser:
            try:
                return str(said.get(timeout=120))
            finally:
                browser.terminate()
