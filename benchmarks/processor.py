"""What a processor is asked to do, against torch's usual way, in the same run.

Linear layers in float32 (`systems/linear.py`), attention of Whisper in bfloat16 (`systems/attention.py`), label scores
of the embedded LLM with both kinds of layers, and two processes of one thread against one of two (`study/spread.py`).

    python benchmarks/processor.py
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.nn.functional import linear
from torch.nn.functional import scaled_dot_product_attention as usual

from cascade_equivalence.systems.attention import attend
from cascade_equivalence.systems.backbone import Backbone, Query
from cascade_equivalence.systems.linear import OneDnnLinear
from cascade_equivalence.systems.loading import Placement, locate


def seconds(work: Callable[[], Any], times: int = 20) -> float:
    """Of one call, the best of three rounds."""
    work()
    best = float("inf")
    for _ in range(3):
        began = time.perf_counter()
        for _ in range(times):
            work()
        best = min(best, (time.perf_counter() - began) / times)
    return best


def layers() -> None:
    """One layer of the embedded LLM's sizes."""
    torch.manual_seed(0)
    layer = OneDnnLinear(576, 1536, bias=False)
    for rows in (8, 16, 64, 256, 1024):
        given = torch.randn(rows, 576)
        plain, ours = seconds(lambda x=given: linear(x, layer.weight)), seconds(lambda x=given: layer(x))
        billions = 2 * rows * 576 * 1536 / 1e9
        print(f"{rows:4} rows: torch {billions / plain:4.0f}, ours {billions / ours:4.0f} GFLOP/s, {plain / ours:.2f}x")


def attention() -> None:
    """A batch of 16 in Whisper base: its encoder on 8 and 30 s, and one decoding step over them."""
    torch.manual_seed(0)
    for queries, keys in ((400, 400), (1500, 1500), (1, 400), (1, 1500)):
        query = torch.randn(16, 8, queries, 64).bfloat16()
        key, value = (torch.randn(16, 8, keys, 64).bfloat16() for _ in range(2))
        plain = seconds(lambda q=query, k=key, v=value: usual(q, k, v), 3)
        ours = seconds(lambda q=query, k=key, v=value: attend(q, k, v, 64**-0.5), 3)
        print(f"attention {queries} x {keys}: torch {1000 * plain:.1f}, ours {1000 * ours:.1f} ms: {plain / ours:.2f}x")


def llm() -> Backbone:
    """The embedded LLM."""
    return Backbone.load("llm", locate("smollm2-135m", print), Placement("cpu", "float32", 16))


def questions() -> tuple[tuple[int, ...], list[Query]]:
    """A shared prefix of 80 tokens and 16 prompts of 30 positions with four labels."""
    torch.manual_seed(0)
    labels = tuple((1000 + n,) for n in range(4))
    return tuple(range(100, 180)), [Query(torch.randn(30, 576) * 0.05, labels) for _ in range(16)]


def scores() -> None:
    """Label scores with both kinds of layers."""
    model, (before, asked) = llm(), questions()
    ours = seconds(lambda: model.score(before, asked), 3)
    values = torch.tensor(model.score(before, asked))
    for module in model.model.modules():
        if type(module) is OneDnnLinear:
            module.__class__ = nn.Linear  # type: ignore[assignment]
    plain = seconds(lambda: model.score(before, asked), 3)
    apart = (values - torch.tensor(model.score(before, asked))).abs().max()
    print(
        f"label scores: torch {16 / plain:.1f}, ours {16 / ours:.1f} a second: {plain / ours:.2f}x, {apart:.0e} apart"
    )


def processes() -> None:
    """Label scores by one process of two threads, and by two of one each."""
    rates = {}
    for count, threads in ((1, 2), (2, 1)):
        command = [sys.executable, __file__, "--serve", str(threads)]
        running = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(count)]
        rates[count] = sum(float(process.communicate()[0].split()[-1]) for process in running)
    print(f"one process {rates[1]:.1f}, two {rates[2]:.1f} label scores a second: {rates[2] / rates[1]:.2f}x")


def main() -> None:
    """All of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--serve", type=int, help=argparse.SUPPRESS)
    args = parser.parse_args()
    torch.set_num_threads(args.serve or 1)
    with torch.inference_mode():
        if args.serve:
            model, (before, asked) = llm(), questions()
            print(16 / seconds(lambda: model.score(before, asked), 10))
            return
        layers()
        attention()
        scores()
    processes()


if __name__ == "__main__":
    main()
