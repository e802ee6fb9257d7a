"""The settings that arguments become, without the job that they ask for."""

from collections.abc import Callable

import pytest

from entrypoint.run import job
from entrypoint.settings import Settings
from tests.conftest import Ended

Run = Callable[..., Ended]


@pytest.fixture
def parsed(yolo_bac: Run, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Settings]:
    """The Settings that arguments become."""
    seen: list[Settings] = []

    def remember(settings: Settings, stopper: object, started: float) -> int:
        seen.append(settings)
        return 0

    def parse(*args: object) -> Settings:
        ended = yolo_bac(*args)
        assert ended.code == 0, ended.stderr
        return seen.pop()

    monkeypatch.setattr(job, "run", remember)
    return parse
