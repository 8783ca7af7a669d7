"""Planted speech LLMs in a real study on real weights: the pipeline finds each for what it is."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.stats import binomtest

from cascade_equivalence.run.progress import Silent
from cascade_equivalence.study.go import run_plan
from cascade_equivalence.study.results import Results, analyse
from cascade_equivalence.study.spec import Study
from cascade_equivalence.systems.backbone import Query
from cascade_equivalence.systems.planted import FlippingBackbone, deaf, disguised, flipped, loudness
from tests.models import backbone, whisper

ASR = "whisper-tiny.en"


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Results:
    casc = disguised("llm", lambda: whisper(ASR, padding="short"), asr=ASR)
    own = {"disguised": casc, "deaf": deaf("llm"), "loudness": loudness("llm"), "flip40": flipped(casc, 0.4)}
    study = Study.model_validate(
        {
            "tasks": ["topic"],
            "models": {"llm": {"id": "smollm2-135m", "prompt": "plain"}, "asr": {"id": ASR}},
            "arms": {"self-cascade": {"asr": "asr", "llm": {"of": "disguised"}}}
            | {name: {"speech_llm": name} for name in own},
            "dtype": "float32",
            "resamples": 200,
            "limit": 12,
        }
    )
    out = tmp_path_factory.mktemp("planted")
    assert run_plan(study, Path.cwd(), out, Silent(), own).total == 0
    return analyse(out)


@pytest.mark.slow
def test_each_is_found_for_what_it_is(results: Results) -> None:
    assert results.hearing is not None
    passed = {name: found.passed for name, found in results.hearing.items()}
    assert passed == {"self-cascade": True, "disguised": True, "deaf": False, "loudness": True, "flip40": True}
    assert [failure.split("'")[1] for failure in results.failures] == ["deaf"]
    pairs = {c.left: c for c in results.comparisons}
    assert set(pairs) == {"disguised", "loudness", "flip40"}
    assert all(c.right == "self-cascade" and c.family for c in pairs.values())
    assert pairs["disguised"].pair.kappa.value == 1.0
    assert pairs["disguised"].pair.accuracy.difference.value == 0.0
    assert pairs["loudness"].verdict.accuracy.name == "worse"
    assert pairs["loudness"].pair.kappa.high is not None and pairs["loudness"].pair.kappa.high < 0.8
    flipped_kappa = pairs["flip40"].pair.kappa.value
    assert flipped_kappa is not None and flipped_kappa < 1.0
    again = {(r.arm, r.nuisance): r.agreement for r in results.retests}
    assert again["disguised", "batch"] == again["deaf", "shift"] == 1.0


@pytest.mark.parametrize("share", [0.0, 0.02, 0.15, 1.0])
def test_flips_are_as_many_as_asked_and_always_the_same(share: float) -> None:
    """On random states and scores; no label with the highest score stays on top where it was flipped."""
    flipping = FlippingBackbone(backbone(), share)
    rng = np.random.default_rng(0)
    n, turned = 4000, 0
    for _ in range(n):
        query = Query(torch.tensor(rng.normal(size=(2, 3)).astype(np.float32)), ())
        scores = tuple(float(x) for x in rng.normal(size=4))
        found = flipping._turned(scores, query)
        assert found == flipping._turned(scores, query)
        turned += int(np.argmax(found) != np.argmax(scores))
    assert binomtest(turned, n, share).pvalue > 1e-4


def test_identities_tell_them_apart() -> None:
    facts = [deaf("llm"), loudness("llm"), deaf("llm", "another"), flipped(deaf("llm"), 0.02)]
    assert len({str(own.facts) for own in facts}) == 4
