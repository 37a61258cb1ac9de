"""The codec's first use by several threads at once, in processes where nothing was decoded before."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.golden.codec.write import HERE

FIRST_USE = """
import sys, threading
from pathlib import Path
from services.common.codec import decode

sys.setswitchinterval(1e-6)
payloads = [Path(name).read_bytes() for name in sys.argv[1:]]
together, decoded = threading.Barrier(8), []

def read():
    together.wait()
    decoded.append([repr(decode(payload)) for payload in payloads])

threads = [threading.Thread(target=read) for _ in range(together.parties)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
assert len(decoded) == len(threads)
assert all(records == decoded[0] for records in decoded)
"""


@pytest.mark.parametrize("_process", range(3))
def test_many_threads_decode_first_records(_process: int) -> None:
    payloads = sorted(map(str, HERE.glob("v*/*.bin")))
    assert payloads
    command = [sys.executable, "-X", "faulthandler", "-c", FIRST_USE, *payloads]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
