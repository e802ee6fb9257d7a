"""While one call has what libraries print to itself, others wait for it, and for nothing else."""

import time
from threading import Event, Thread, current_thread
from typing import Any

from entrypoint.sources.chatter import Chatter

LONG = 20.0


def started(call: Any, *args: Any) -> Thread:
    thread = Thread(target=call, args=args, daemon=True)
    thread.start()
    return thread


def test_those_who_waited_for_a_call_alone_go_on_though_another_call_has_begun() -> None:
    begun, over, may_end = Event(), Event(), Event()

    def long() -> None:
        begun.set()
        over.wait(LONG)

    class Interrupted(Chatter):
        """Another call begins in the moment in which the one that was alone is over."""

        def _end(self) -> None:
            if current_thread() is alone:
                started(self.beside_others, long)
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
