"""SIGTERM, SIGINT and SIGHUP: end within a moment, with everything finished so far on disk.

A Python signal handler waits for the current C call, which on a CPU can be a batch's whole forward pass, while a node
gives one second. So the signals are blocked in all threads, and one thread does nothing but wait for them.
"""

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from entrypoint.errors import EXIT_SIGNAL
from entrypoint.log import LOG

_STOPPING = {signal.SIGTERM, signal.SIGINT, signal.SIGHUP}
_POLL_SECONDS = 0.05

LastWords = Callable[[signal.Signals], None]


class Stopper:
    """What to do when a stop signal comes; the job sets `last_words` once there are results to speak of.

    They run beside the work they end, so files must be replaced in one step, and should take well under a second.
    """

    def __init__(self) -> None:
        self.last_words: LastWords = _nothing_yet
        self.is_stopping = False

    def wait_if_stopping(self) -> None:
        """Wait for the end of the process if the last words are being spoken: they take its folder from the work."""
        while self.is_stopping:
            signal.pause()


def _nothing_yet(caught: signal.Signals) -> None:
    LOG.error("stopped by %s before there was anything to keep; the same command starts over", caught.name)


@contextmanager
def stoppable() -> Iterator[Stopper]:
    """While the block runs, a stop signal speaks the last words and ends the process with 128 + its number.

    Threads started inside the block inherit the blocked signals, so it should begin before any library starts some.
    """
    stopper, done = Stopper(), threading.Event()
    # What the caller told the process to ignore stays ignored: SIGHUP under nohup, SIGINT in a script's background.
    signals = {stop for stop in _STOPPING if signal.getsignal(stop) is not signal.SIG_IGN}
    before = signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    waiter = threading.Thread(target=_wait, args=(signals, stopper, done), name="signals", daemon=True)
    waiter.start()
    try:
        yield stopper
    finally:
        done.set()
        waiter.join()
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _wait(signals: set[signal.Signals], stopper: Stopper, done: threading.Event) -> None:
    while not done.is_set():
        caught = signal.sigtimedwait(signals, _POLL_SECONDS)
        if caught is None:
            continue
        stopper.is_stopping = True
        try:
            stopper.last_words(signal.Signals(caught.si_signo))
            sys.stderr.flush()
        finally:
            os._exit(EXIT_SIGNAL + caught.si_signo)
