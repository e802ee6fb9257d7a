"""Results on a container's own layer are lost with it, and the program can see that."""

from collections.abc import Callable
from pathlib import Path

import pytest

from entrypoint.host.mounts import is_lost_with_the_container
from entrypoint.run import job
from tests.conftest import Ended

OVERLAY = "495 397 0:57 / / rw,relatime master:210 - overlay overlay rw,lowerdir=/l,upperdir=/u,workdir=/w"
PROC = "496 495 0:60 / /proc rw,nosuid - proc proc rw"
OUTPUTS = "500 495 254:1 /var/results /outputs rw,relatime - ext4 /dev/vda1 rw"
TMPFS = "501 495 0:70 / /outputs/exp rw - tmpfs tmpfs rw,size=1024k"
HOST = "25 1 254:1 / / rw,relatime shared:1 - ext4 /dev/vda1 rw"


@pytest.mark.parametrize(
    ("lines", "folder", "lost"),
    [
        ([OVERLAY, PROC], "/outputs/exp", True),
        ([OVERLAY, PROC, OUTPUTS], "/outputs/exp", False),
        ([OVERLAY, PROC, OUTPUTS], "/outputs2", True),
        ([OVERLAY, PROC, TMPFS], "/outputs/exp/x", False),
        ([OVERLAY, PROC, TMPFS], "/outputs", True),
        ([HOST, PROC], "/outputs", False),
        ([], "/outputs", False),
    ],
)
def test_where_the_results_lie(tmp_path: Path, lines: list[str], folder: str, lost: bool) -> None:
    (tmp_path / "mountinfo").write_text("\n".join(lines) + "\n")
    assert is_lost_with_the_container(Path(folder), tmp_path / "mountinfo") is lost


def test_without_mountinfo_nothing_is_claimed(tmp_path: Path) -> None:
    assert not is_lost_with_the_container(tmp_path, tmp_path / "absent")


def test_the_warning_is_the_first_line(
    yolo_bac: Callable[..., Ended], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job, "is_lost_with_the_container", lambda folder: True)
    ended = yolo_bac("--demo", "--project", tmp_path)
    assert ended.code == 0
    first = ended.stderr.splitlines()[0]
    assert "are lost with the container" in first and "-o outputs:/outputs` and a publisher" in first
