"""msgspec crashes the process where two threads meet a type for the first time at once: ours are all met while they are imported."""

import subprocess
import sys

import pytest

from tests.end_to_end.running import ROOT, environment

READERS = """
import sys, threading
import numpy as np
sys.setswitchinterval(1e-6)
from watchtower.formats.watchtower_json import WatchtowerJson
from watchtower.nouns.batch import Catalog, Messages
from watchtower.nouns.memory import Memory
from watchtower.nouns.profile import Profile
from watchtower.nouns.window import Partition
from watchtower.store import codec, packing

profile = packing.pack_profile(Profile("b", 1, 1.0, np.arange(5), np.zeros((1, 5)), np.zeros((1, 2), dtype=np.int64)))
memory = codec.encode(Memory("m"))
message = Messages(Partition("t"), [b'{"model": "m", "prediction": 1, "gpu": {"device": "0"}}'], np.array([0]), 1, np.array([0]))
reads = {
    "profiles": lambda: packing.unpack_profile(profile),
    "memories": lambda: codec.decode(memory, Memory),
    "messages": lambda: WatchtowerJson().decode([message], Catalog()),
}
barrier = threading.Barrier(8)

def read():
    barrier.wait()
    reads[sys.argv[1]]()

threads = [threading.Thread(target=read) for _ in range(8)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
"""


@pytest.mark.parametrize("what", ["profiles", "memories", "messages"])
def test_eight_threads_may_be_the_first_to_read(what: str) -> None:
    for _ in range(4):
        done = subprocess.run([sys.executable, "-P", "-c", READERS, what], cwd=ROOT, env=environment(), capture_output=True, text=True, timeout=30, check=False)
        assert (done.returncode, done.stderr) == (0, "")
