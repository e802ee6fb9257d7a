"""How far a run is: a bar that renews itself on a terminal, elsewhere a log line at most every 30 seconds."""

import logging
import sys
import threading
import time

from entrypoint.log import LOG

_LOG_SECONDS, _TERMINAL_SECONDS = 30.0, 0.2


class Progress:
    """Counts inputs; `step` is called for each. `reused` of all had their records before: these took no time."""

    def __init__(self, total: int, reused: int = 0) -> None:
        self._total, self._reused, self._done, self._detections = total, reused, 0, 0
        self._bar = _Bar(total, reused) if sys.stderr.isatty() else None
        self._started = self._shown = time.monotonic()

    def step(self, detections: int = 0) -> None:
        """One more input has its record, and so many detections were found in it."""
        self._done += 1
        self._detections += detections
        if self._bar:
            self._bar.step(self._detections)
            return
        now = time.monotonic()
        if now - self._shown < _LOG_SECONDS:
            return
        self._shown = now
        rate = self._done / (now - self._started)
        done = self._reused + self._done
        left = (self._total - done) / rate
        LOG.info(
            "%d of %d, %.1f a second, %.0f s left, %d detections so far",
            done,
            self._total,
            rate,
            left,
            self._detections,
        )

    def close(self) -> None:
        """Leave the terminal's line clean."""
        if self._bar:
            self._bar.close()


class _Bar(logging.Filter):
    """The bar on a terminal. As a filter of the log it steps aside for each line."""

    def __init__(self, total: int, reused: int) -> None:
        super().__init__()
        from tqdm import tqdm  # for a terminal alone

        tqdm.set_lock(threading.RLock())  # its own is one between processes, of which there is one here
        tqdm.monitor_interval = 0
        self._bar = tqdm(
            total=total,
            initial=reused,
            unit=" inputs",
            file=sys.stderr,
            dynamic_ncols=True,
            leave=False,
            mininterval=_TERMINAL_SECONDS,
            smoothing=0.05,
        )
        LOG.addFilter(self)

    def step(self, detections: int) -> None:
        self._bar.set_postfix_str(f"{detections} detections", refresh=False)
        self._bar.update()

    def filter(self, record: logging.LogRecord) -> bool:
        self._bar.clear()
        return True

    def close(self) -> None:
        LOG.removeFilter(self)
        self._bar.close()
