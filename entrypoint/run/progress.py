"""How far a run is: a line that renews itself on a terminal, elsewhere a log line at most every 30 seconds."""

import sys
import time

from entrypoint.log import LOG

_LOG_SECONDS, _TERMINAL_SECONDS = 30.0, 0.2


class Progress:
    """Counts inputs; `step` is called for each. `reused` of all had their records before: these took no time."""

    def __init__(self, total: int, reused: int = 0) -> None:
        self._total, self._reused, self._done = total, reused, 0
        self._terminal = sys.stderr.isatty()
        self._started = self._shown = time.monotonic()

    def step(self) -> None:
        """One more input has its record."""
        self._done += 1
        now = time.monotonic()
        if now - self._shown < (_TERMINAL_SECONDS if self._terminal else _LOG_SECONDS):
            return
        self._shown = now
        rate = self._done / (now - self._started)
        done = self._reused + self._done
        line = f"{done} of {self._total}, {rate:.1f} a second, {(self._total - done) / rate:.0f} s left"
        if self._terminal:
            sys.stderr.write(f"\r\x1b[K{line}")
            sys.stderr.flush()
        else:
            LOG.info("%s", line)

    def close(self) -> None:
        """Leave the terminal's line clean."""
        if self._terminal:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()
