"""Joint decoding against an enumeration of every path and every hypothesis."""

import itertools
import math
from pathlib import Path

import pytest
import torch

from cascade_equivalence.systems.backbone import Backbone
from cascade_equivalence.systems.speech import joint
from tests.systems.speech.tiny import CPU, write_llm

TOKENS = torch.tensor([40, 41, 42])


@pytest.fixture(scope="module")
def llm(tmp_path_factory: pytest.TempPathFactory) -> Backbone:
    directory: Path = tmp_path_factory.mktemp("llm")
    return Backbone.load("llm", write_llm(directory), CPU)


def rows(time: int, seed: int, sharpness: float = 2.0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return (torch.randn(time, 4, generator=generator) * sharpness).log_softmax(-1)


def spoken(path: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(entry for entry, _ in itertools.groupby(path) if entry)


def enumerated(log_probs: torch.Tensor) -> dict[tuple[int, ...], float]:
    """The probability of every token sequence: the sum over all its paths (Graves et al. 2006, equation 3)."""
    found: dict[tuple[int, ...], float] = {}
    for path in itertools.product(range(4), repeat=len(log_probs)):
        p = math.exp(sum(float(log_probs[t, entry]) for t, entry in enumerate(path)))
        found[spoken(path)] = found.get(spoken(path), 0.0) + p
    return found


def expected(llm: Backbone, words: tuple[int, ...]) -> float:
    """log p of the words as a new line, from one plain forward pass."""
    line = llm.encode("\n", start=True)
    ids = [*line, *(int(TOKENS[w - 1]) for w in words)]
    with torch.inference_mode():
        logits = llm.model(torch.tensor([ids])).logits[0].log_softmax(-1)
    return sum(float(logits[len(line) - 1 + i, ids[len(line) + i]]) for i in range(len(words)))


@pytest.mark.parametrize("seed", range(6))
def test_finds_the_best_of_all_hypotheses(seed: int, llm: Backbone, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(joint, "BEAM", 40)
    monkeypatch.setattr(joint, "BEHIND", 1e6)
    log_probs = rows(5, seed)
    scores = {
        words: math.log(p) + joint.PRIOR * expected(llm, words) + joint.PER_TOKEN * len(words)
        for words, p in enumerated(log_probs).items()
    }
    best = max(scores, key=lambda words: scores[words])
    with torch.inference_mode():
        assert joint.search([log_probs], TOKENS, llm) == [[int(TOKENS[w - 1]) for w in best]]


def test_the_llm_decides_between_words_that_sound_alike(llm: Backbone) -> None:
    log_probs = torch.tensor([[1e-30, 0.5, 0.5, 1e-30]]).log()
    wanted = max((1, 2), key=lambda word: expected(llm, (word,)))
    with torch.inference_mode():
        assert joint.search([log_probs], TOKENS, llm) == [[int(TOKENS[wanted - 1])]]


def test_prefix_scores_and_silence_add_up_to_one() -> None:
    """Every path is silent or begins with exactly one token; with a token given, it ends there or goes on with one."""
    log_probs = rows(6, 9)
    heard, ids = joint._candidates([log_probs], TOKENS)
    silence = torch.cat([torch.zeros(1), heard[0, :, 0].cumsum(0)])[None, None]
    start = joint._Paths(torch.full_like(silence, -1e9), silence)
    nothing = torch.full((1, 1), -1)
    first = joint._prefix_scores(start, heard, nothing)
    assert float(first.exp().sum() + silence[..., -1].exp()) == pytest.approx(1.0, abs=1e-5)
    chosen = torch.arange(ids.shape[1])[None]
    paths = joint._extend(
        start.of(torch.tensor([0]), torch.zeros_like(chosen)), heard, -torch.ones_like(chosen), chosen
    )
    then = joint._prefix_scores(paths, heard, chosen).exp().sum(-1) + paths.any()[..., -1].exp()
    torch.testing.assert_close(then, first[:, 0].exp(), rtol=1e-4, atol=1e-6)


def test_a_batch_of_different_lengths_reads_as_each_alone(llm: Backbone) -> None:
    clips = [rows(time, seed, 4.0) for seed, time in enumerate((3, 9, 1, 14))]
    with torch.inference_mode():
        together = joint.search(clips, TOKENS, llm)
        alone = [joint.search([clip], TOKENS, llm)[0] for clip in clips]
    assert together == alone
    assert any(together)


def test_a_minute_of_doubt_is_read_to_its_end(llm: Backbone) -> None:
    """Path probabilities far below the smallest float: a word at the end is still heard, after those before."""
    log_probs = torch.full((750, 4), 0.001)
    log_probs[:, 0] = 0.6
    log_probs[:, 1:] += torch.rand(750, 3, generator=torch.Generator().manual_seed(0)) * 0.3
    log_probs[740] = torch.tensor([1e-4, 1e-4, 1e-4, 1.0])
    with torch.inference_mode():
        heard = joint.search([log_probs.log_softmax(-1) * 3], TOKENS, llm)[0]
    assert len(heard) <= 750
    assert heard.count(int(TOKENS[2])) >= 1


def test_silence_is_no_words(llm: Backbone) -> None:
    log_probs = torch.tensor([[1.0, 1e-12, 1e-12, 1e-12]] * 20).log()
    with torch.inference_mode():
        assert joint.search([log_probs], TOKENS, llm) == [[]]
