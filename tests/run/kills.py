"""Two minutes of video with sound, turned, and killed at twenty random moments: `python -m tests.run.kills FOLDER`."""

import random
import subprocess
import sys
import time
from pathlib import Path

from tests.run.attempts import Moment, ended, killed, results, segments
from tests.videos import Recipe, moving

_FRAMES, _KILLS = 3000, 20


def main(folder: Path) -> int:
    """Kill runs until there were enough kills, let each end, and print how its results compare; gives the exit code."""
    folder.mkdir(parents=True)
    recipe = Recipe(audio="aac", turned=90, gop=50)
    source = moving(folder / "a.mp4", _FRAMES, recipe)
    command: list[object] = ["--demo", "--source", source, "--save-frames", "--save-txt"]
    began = time.monotonic()
    ended(command, folder / "whole")
    whole = time.monotonic() - began
    expected, chance = results(folder / "whole" / "exp"), random.Random(0)
    print(f"{_FRAMES} frames in {whole:.1f} s, {len(expected)} results", flush=True)
    kills = differing = runs = 0
    while kills < _KILLS:
        runs += 1
        project = folder / f"killed-{runs}"
        while kills < _KILLS and killed(command, project, _after(chance.uniform(0.05, 0.6) * whole)):
            kills += 1
            print(f"kill {kills}: {len(segments(project))} segments done", flush=True)
        ended(command, project)
        found = results(project / "exp")
        wrong = sorted(file for file in expected.keys() | found.keys() if expected.get(file) != found.get(file))
        print(
            f"run {runs}: {len(found)} results, {len(wrong)} differ{': ' * bool(wrong)}{', '.join(wrong[:5])}",
            flush=True,
        )
        differing += len(wrong)
    return int(differing > 0)


def _after(seconds: float) -> Moment:
    def wait(job: "subprocess.Popen[str]") -> None:
        time.sleep(seconds)

    return wait


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
