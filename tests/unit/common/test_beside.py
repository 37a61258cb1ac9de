from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator

import pytest

from services.common.beside import NICENESS, Beside, Died, Stopped

_held: list[str] = []


def begin(name: str) -> None:
    _held.append(name)


def held() -> tuple[int, int, list[str]]:
    return os.getpid(), os.getpriority(os.PRIO_PROCESS, 0), _held


def refuse(what: str) -> None:
    raise ValueError(f"no {what}")


def sleep_long() -> None:
    time.sleep(600.0)


@pytest.fixture
def beside() -> Iterator[Beside]:
    made = Beside(begin, "a store")
    yield made
    made.close()


def test_a_call_is_done_in_one_other_process_of_low_priority(beside: Beside) -> None:
    assert beside.pid is None, "nothing is started before it is needed"
    pid, niceness, kept = beside.call(held)
    assert pid == beside.pid != os.getpid()
    assert niceness == min(19, os.getpriority(os.PRIO_PROCESS, 0) + NICENESS)
    assert kept == ["a store"]
    assert beside.call(held)[0] == pid


def test_what_is_raised_there_is_raised_here_with_its_traceback(beside: Beside) -> None:
    with pytest.raises(ValueError, match="no bread") as raised:
        beside.call(refuse, "bread")
    assert any("in refuse" in note for note in raised.value.__notes__)
    assert beside.call(held)[2] == ["a store"], "it goes on"


def test_after_a_death_the_next_call_has_a_new_process(beside: Beside) -> None:
    first = beside.call(held)[0]
    threading.Timer(0.2, os.kill, (first, signal.SIGKILL)).start()
    with pytest.raises(Died, match=f"process {first}, which does sleep_long, ended"):
        beside.call(sleep_long)
    second = beside.call(held)[0]
    assert second != first
    os.kill(second, signal.SIGKILL)
    time.sleep(0.2)
    with pytest.raises(Died):
        beside.call(held)
    assert beside.call(held)[2] == ["a store"]


def test_a_stop_does_not_wait_for_the_call(beside: Beside) -> None:
    began = time.monotonic()
    with pytest.raises(Stopped):
        beside.call(sleep_long, stopping=lambda: time.monotonic() - began > 0.5)
    assert time.monotonic() - began < 10.0
    assert beside.pid is None
    assert beside.call(held)[2] == ["a store"], "a call after that has its own answer"


PARENT = """
import os, sys
from tests.unit.common.test_beside import begin, held, sleep_long
from services.common.beside import Beside

if __name__ == "__main__":
    beside = Beside(begin, "x")
    print(beside.call(held)[0], flush=True)
    beside.call(sleep_long)
"""


def test_it_ends_with_its_service_however_that_ends() -> None:
    parent = subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    parent.kill()
    parent.wait()
    deadline = time.monotonic() + 10.0
    while os.path.exists(f"/proc/{child}") and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not os.path.exists(f"/proc/{child}")
