"""What a language model says of its passes to hooks, and that saying it changes nothing."""

from __future__ import annotations

import pytest
import torch

from cascade_equivalence.errors import AnalysisError
from cascade_equivalence.inside.bench import Bench
from cascade_equivalence.mechanism.erasure import LeaceEraser
from cascade_equivalence.mechanism.interventions import erasing
from cascade_equivalence.systems.backbone import Pass, Query
from cascade_equivalence.systems.local import SpeechSystem
from tests.systems.speech.tiny import WIDTH, Case, build, clips

BEFORE = (40, 41, 42)
LABELS = ((50,), (51, 52, 53))


@pytest.fixture(scope="module", params=["pocket-frames", "qwen2-audio"])
def case(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Case:
    return build(request.param, tmp_path_factory.mktemp("speech"))


def queries(case: Case) -> list[Query]:
    arm = SpeechSystem(case.speech, "plain")
    heard = arm.speech.hear(clips())
    return [Query(torch.cat([h, case.speech.backbone.embed([45, 46])]), LABELS, arm.audio_span(h)) for h in heard]


def test_passes_are_announced_with_the_audio_inside_the_frame(case: Case) -> None:
    backbone, asked, seen = case.speech.backbone, queries(case), []
    with backbone.watching(seen.append, "fresh"):
        backbone.score(BEFORE, asked)
        backbone.generate(BEFORE, [q.states for q in asked], 3, None, [q.audio for q in asked])
    assert [p.kind for p in seen[:3]] == ["prefix", "states", "states"]
    assert {p.kind for p in seen[3:]} <= {"step"}
    assert seen[1] == Pass("states", tuple(len(q.states) for q in asked), tuple(q.audio for q in asked), 2)
    framed = 1 if case.speech.adapter.opening else 0
    for query in asked:
        assert query.audio == (framed, len(query.states) - 2 - framed)


def test_a_prompt_that_is_all_prefix_keeps_its_span(case: Case) -> None:
    backbone, seen = case.speech.backbone, []
    empty, full = backbone.embed([1])[:0], backbone.embed([60, 61])
    with backbone.watching(seen.append):
        backbone.score(BEFORE, [Query(empty, LABELS), Query(full, LABELS, (0, 2))])
    assert seen[-1].lengths == (1, 3)
    assert seen[-1].audio[1] == (1, 3)


def test_erasing_nothing_changes_no_bit(case: Case) -> None:
    asked = queries(case)
    plain = case.speech.backbone.score(BEFORE, asked)
    bench = Bench.of(SpeechSystem(case.speech, "plain"), None, 4)
    for scope, variant in (("audio", ""), ("all", "erased")):
        with erasing(bench.blocks, {}, bench.stage, scope), bench.watching(variant):
            assert case.speech.backbone.score(BEFORE, asked) == plain


def test_erasing_everywhere_reaches_the_prefix_and_leaves_none_behind(case: Case) -> None:
    backbone, asked = case.speech.backbone, queries(case)
    plain = backbone.score(BEFORE, asked)
    bench = Bench.of(SpeechSystem(case.speech, "plain"), None, 4)
    axis = torch.linalg.qr(torch.randn(WIDTH, 8, generator=torch.Generator().manual_seed(0)))[0]
    erasers = {layer: LeaceEraser(axis, axis.T, None) for layer in bench.layers}
    with erasing(bench.blocks, erasers, bench.stage, "all"), bench.watching("erased"):
        erased = backbone.score(BEFORE, asked)
        keys = backbone._prefixes["erased", BEFORE].keys_values[-1][0]
    # By hand: the whole prompt in one pass under the same erasers, no cache.
    states = torch.cat([backbone.embed(BEFORE), asked[0].states])[None]
    with torch.inference_mode(), erasing(bench.blocks, erasers, bench.stage, "all"):
        logits = backbone.model(inputs_embeds=states).logits[0, -1].log_softmax(-1)
    assert erased[0][0] == pytest.approx(float(logits[50]), abs=1e-4)
    assert not torch.equal(keys, backbone._prefixes["", BEFORE].keys_values[-1][0])
    assert backbone.score(BEFORE, asked) == plain
    assert ("erased", BEFORE) not in backbone._prefixes


def test_the_lens_at_the_last_block_is_the_model(case: Case) -> None:
    bench = Bench.of(SpeechSystem(case.speech, "plain"), None, 4)
    asked = queries(case)[:1]
    found: dict[int, torch.Tensor] = {}
    bench.collect(BEFORE, [asked[0].states], [asked[0].audio], lambda _, by_layer: found.update(by_layer))
    norm, unembed = bench.lens_parts()
    states = torch.cat([case.speech.backbone.embed(BEFORE), asked[0].states])[None]
    with torch.inference_mode():
        logits = case.speech.backbone.model(inputs_embeds=states).logits[0]
        mine = unembed(norm(found[bench.layers[-1]]))
    first, last = (len(BEFORE) + edge for edge in asked[0].audio)
    torch.testing.assert_close(mine, logits[first:last], atol=1e-3, rtol=1e-3)


def test_a_layer_that_does_not_exist_is_named(case: Case) -> None:
    with pytest.raises(AnalysisError, match="layer 7 does not exist: the model has layers 0 to 1"):
        Bench.of(SpeechSystem(case.speech, "plain"), [0, 7], 4)
