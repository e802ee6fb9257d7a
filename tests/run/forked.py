"""The command as a process of its own, forked from one that has imported everything; killed at any step if asked.

Run as a script it is the process that forks: it reads a JSON line for each run, `{"arguments": […], "kill_at": n}`, and
answers with one, `{"code": c, "stdout": …, "stderr": …, "steps": n}`. A step is a file or folder of `below` that is
opened, made, named, renamed or removed.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).parent.parent.parent
_STEPS = {"open", "os.mkdir", "os.link", "os.rename", "os.remove", "os.rmdir", "os.truncate", "os.chmod"}


class Attempt(NamedTuple):
    """How a run ended; `code` is minus the signal for one that was killed."""

    code: int
    stdout: str
    stderr: str
    steps: int


class Forked:
    """Close it, or use it as a context."""

    def __init__(self) -> None:
        self._server = subprocess.Popen(
            [sys.executable, "-m", "tests.run.forked"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> "Forked":
        return self

    def __exit__(self, *_: object) -> None:
        self._server.communicate()

    def run(self, *arguments: object, below: Path, kill_at: int | None = None) -> Attempt:
        """Run the command, and kill it at that step."""
        assert self._server.stdin is not None and self._server.stdout is not None
        asked = {"arguments": list(map(str, arguments)), "below": str(below), "kill_at": kill_at}
        self._server.stdin.write(json.dumps(asked) + "\n")
        self._server.stdin.flush()
        answer: dict[str, Any] = json.loads(self._server.stdout.readline())
        return Attempt(**answer)


def serve() -> None:
    """Answer until there are no more questions."""
    from entrypoint.cli.command import command
    from entrypoint.cli.run import quiet_libraries

    quiet_libraries()
    import entrypoint.results.encode
    import entrypoint.run.job  # noqa: F401

    for line in sys.stdin:
        asked = json.loads(line)
        with tempfile.TemporaryDirectory() as folder:
            child = os.fork()
            if child == 0:
                _run(command, asked, Path(folder))
            _, status = os.waitpid(child, 0)
            steps = Path(folder, "steps")
            answer = {
                "code": os.waitstatus_to_exitcode(status),
                "stdout": Path(folder, "stdout").read_text(),
                "stderr": Path(folder, "stderr").read_text(),
                "steps": int(steps.read_text()) if steps.exists() else 0,
            }
        print(json.dumps(answer), flush=True)


def _run(command: Any, asked: dict[str, Any], folder: Path) -> None:
    for number, name in ((1, "stdout"), (2, "stderr")):
        os.dup2(os.open(folder / name, os.O_WRONLY | os.O_CREAT), number)
    code, steps, kill_at, below = 1, 0, asked["kill_at"], asked["below"]

    def count(event: str, arguments: tuple[Any, ...]) -> None:
        nonlocal steps
        if event not in _STEPS or not any(_is_below(value, below) for value in arguments):
            return
        steps += 1
        if steps == kill_at:
            os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(count)
    try:
        command.main(asked["arguments"], prog_name="yolo-bac")
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else bool(end.code)
    finally:
        taken = steps
        sys.stdout.flush()
        sys.stderr.flush()
        (folder / "steps").write_text(str(taken))
        os._exit(code)


def _is_below(value: object, below: str) -> bool:
    """Whether an argument of a system call is a path below, or an open folder's number."""
    return isinstance(value, (str, bytes, os.PathLike)) and below in os.fsdecode(value)


if __name__ == "__main__":
    serve()
