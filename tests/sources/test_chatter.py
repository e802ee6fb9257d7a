"""Calls have the words that libraries print, and while one has them to itself, others wait for it alone."""

import ctypes
import os
import subprocess
import sys
import time
from threading import Event, Thread, current_thread
from typing import Any

import cv2
import numpy as np

from entrypoint.sources.chatter import Chatter
from tests.conftest import ROOT

LONG = 20.0


def started(call: Any, *args: Any) -> Thread:
    thread = Thread(target=call, args=args, daemon=True)
    thread.start()
    return thread


def test_those_who_waited_for_a_call_alone_go_on_though_another_call_has_begun() -> None:
    begun, over, may_end = Event(), Event(), Event()
    later: list[Thread] = []

    def long() -> None:
        begun.set()
        over.wait(LONG)

    class Interrupted(Chatter):
        """Another call begins in the moment in which the one that was alone is over."""

        def _end(self) -> None:
            if current_thread() is alone:
                later.append(started(self.beside_others, long))
                assert begun.wait(LONG)
            super()._end()

    chatter = Interrupted()
    alone = started(chatter.alone, lambda: may_end.wait(LONG))
    while not chatter._someone_alone:
        time.sleep(0.001)
    waiting = started(chatter.beside_others, int)
    while not chatter._gate._waiters:  # type: ignore[attr-defined]
        time.sleep(0.001)
    may_end.set()
    waiting.join(LONG / 2)
    assert not waiting.is_alive(), "it waits for the call that began later"
    over.set()
    for thread in (alone, *later):  # the stream is the process's, and the next test's
        thread.join(LONG)


def print_in_c(words: str) -> None:
    libc = ctypes.CDLL(None)
    libc.fputs.argtypes = (ctypes.c_char_p, ctypes.c_void_p)
    libc.fputs(words.encode(), ctypes.c_void_p.in_dll(libc, "stderr"))


def print_in_cpp() -> None:
    """Have OpenCV log an error, by `std::cerr`."""
    cv2.imencode(".ppm", np.zeros((4, 4), np.uint8))


def test_words_of_c_and_of_cpp_are_heard() -> None:
    chatter = Chatter()
    assert chatter.beside_others(lambda: print_in_c("one"))[1] == "one"
    assert "imencode" in chatter.beside_others(print_in_cpp)[1]
    assert "imencode" in chatter.alone(print_in_cpp)[1]
    assert chatter.alone(int) == (0, "")
    assert chatter.beside_others(int) == (0, "")


def test_a_call_hears_those_beside_it_from_its_start_on() -> None:
    chatter, begun, may_end = Chatter(), Event(), Event()
    heard = []

    def long() -> None:
        print_in_c("mine")
        begun.set()
        may_end.wait(LONG)

    other = started(lambda: heard.append(chatter.beside_others(long)[1]))
    assert begun.wait(LONG)
    assert chatter.beside_others(lambda: print_in_c(", another's"))[1] == ", another's"
    may_end.set()
    other.join(LONG)
    assert heard == ["mine, another's"]


def test_more_words_than_fit_a_pipe_are_heard() -> None:
    assert Chatter().alone(lambda: print_in_c("word\n" * 100_000))[1] == "word\n" * 100_000


def test_what_is_printed_by_others_goes_where_it_went() -> None:
    code = (
        "import os, sys; from entrypoint.sources.chatter import Chatter\n"
        "from tests.sources.test_chatter import print_in_c, print_in_cpp\n"
        "chatter = Chatter()\n"
        "chatter.alone(lambda: (print_in_c('kept'), print_in_cpp(), os.write(2, b'by descriptor '),"
        " print('by Python', end=' ', file=sys.stderr, flush=True)))\n"
        "print_in_c('by C '); print_in_cpp()\n"
    )
    environment = os.environ | {"OPENCV_LOG_LEVEL": "ERROR"}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    )
    assert done.stderr.startswith("by descriptor by Python by C [ERROR") and done.stderr.count("imencode():") == 1
