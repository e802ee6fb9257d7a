"""Media of every kind, made from the demo's scenes: a video, an archive, a photograph as phones take it."""

import zipfile
from pathlib import Path

import av
import numpy as np
import pillow_heif
from PIL import Image

from entrypoint.sources.samples import DEMO_SCENES

FILES = ["clip.mkv", "photograph.heic", "scenes.zip/a/scene.png"]
"""What a run over these media calls them."""


def write_media(folder: Path) -> None:
    """Write FILES' media into a folder."""
    scenes = sorted(DEMO_SCENES.iterdir())
    with zipfile.ZipFile(folder / "scenes.zip", "w") as archive:
        archive.write(scenes[0], "a/scene.png")
    pillow_heif.from_pillow(Image.open(scenes[1])).save(folder / "photograph.heic")
    with av.open(str(folder / "clip.mkv"), "w") as container:
        stream = container.add_stream("libx264", rate=5)
        stream.width, stream.height, stream.pix_fmt = 320, 240, "yuv420p"
        for scene in scenes[:3]:
            pixels = np.asarray(Image.open(scene).convert("RGB").resize((320, 240)))
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels)))
        container.mux(stream.encode())
