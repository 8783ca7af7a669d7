"""Endpoints: requests in parallel against one at a time, and memory over many requests, against a local server.

python benchmarks/endpoints.py [LATENCY_S]     (default 0.2)
"""

from __future__ import annotations

import resource
import subprocess
import sys
import time

from tests.systems.remote.questions import colours, endpoint, tone
from tests.systems.remote.server import Sent, completion, serving

from cascade_equivalence.systems.remote.chat import ChatEndpoint


def seconds(url: str, parallel: int, count: int) -> float:
    task, clip = colours(1), tone(3.0)
    system = ChatEndpoint(endpoint(url, parallel=parallel, timeout_s=60.0))
    begun = time.perf_counter()
    replies = system.reply(task, [task.items[0]] * count, [clip] * count, "generate")
    assert all(replies)
    return time.perf_counter() - begun


def speed(latency: float) -> None:
    with serving(lambda _: Sent(completion("red"), wait_s=latency), forget=True) as server:
        seconds(server.url, 8, 16)
        one, eight = seconds(server.url, 1, 64), seconds(server.url, 8, 64)
    print(
        f"64 requests with 3 s of audio, latency {latency} s: {one:.2f} s one at a time, {eight:.2f} s by eight: "
        f"{one / eight:.1f}x"
    )


def memory(counts: tuple[int, ...] = (500, 10_000)) -> None:
    """In a process of its own, so that the client is measured and not the server."""
    if len(sys.argv) > 2:
        task, clip, sizes = colours(1), tone(3.0), []
        system = ChatEndpoint(endpoint(sys.argv[2], timeout_s=60.0))
        for count in counts:
            items, given = [task.items[0]] * count, [clip] * count
            assert all(reply for _, reply in system.replies(task, items, given, "generate"))
            sizes.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
        print(f"largest resident size after {counts} requests: {sizes[0]:.0f} and {sizes[1]:.0f} MB")
        return
    with serving(lambda _: Sent(completion("red")), forget=True) as server:
        subprocess.run([sys.executable, __file__, "0", server.url], check=True)


if __name__ == "__main__":
    if len(sys.argv) < 3:
        speed(float(sys.argv[1]) if len(sys.argv) > 1 else 0.2)
    memory()
