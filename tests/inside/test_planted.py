"""Planted speech LLMs through the whole path, on the embedded LLM: each is diagnosed for what it is.

`reads` has the words at its door as the LLM's own embeddings; `loudness` hears the level alone and says one of six
sentences for it; both answer through the same LLM.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from cascade_equivalence.audio.clip import Clip, read_clip
from cascade_equivalence.inside.execute import analyse_mechanism
from cascade_equivalence.inside.material import analysis_keys
from cascade_equivalence.run.journal import Journal
from cascade_equivalence.run.layout import JOURNAL
from cascade_equivalence.run.progress import Silent
from cascade_equivalence.run.run import open_run
from cascade_equivalence.study.build import build_plan
from cascade_equivalence.study.mechanism.facts import Analyses, LensFact, LensRow
from cascade_equivalence.study.mechanism.results import erased, hand_off, implicit, patched
from cascade_equivalence.study.records import decode
from cascade_equivalence.study.spec import Study
from cascade_equivalence.systems.backbone import Backbone
from cascade_equivalence.systems.planted import loudness, reader
from cascade_equivalence.systems.speech.own import OwnSpeechLLM
from cascade_equivalence.tasks.manifest import read_manifest
from cascade_equivalence.tasks.task import corpus_dir, shipped_tasks

pytestmark = pytest.mark.slow
LAYERS = [0, 14, 29]
SIZES = {
    "trials": 12,
    "fit": 60,
    "sentences": 80,
    "damage": 4,
    "generate": 0,
    "seeds": 2,
    "decode": 1,
    "layers": LAYERS,
    "concepts": ["proxy", "acoustic"],
    "scopes": ["audio"],
}


def reads(llm: str) -> OwnSpeechLLM:
    """Hears what was said, word for word: text is carried linearly, by the LLM's own embeddings."""
    said = {
        read_clip(item.audio).sha256: item.text or ""
        for name in (*shipped_tasks(), "retest")
        for item in read_manifest(corpus_dir() / f"{name}.jsonl")
        if item.audio
    }

    def text_of(clips: Sequence[Clip]) -> list[str]:
        return [said[clip.sha256] for clip in clips]

    def load(backbone: Backbone) -> Any:
        return reader("reads", backbone, text_of)

    return OwnSpeechLLM(llm, load, {"planted": "reads"})


Facts = Callable[[str], dict[str, Any]]


@pytest.fixture(scope="module")
def facts(tmp_path_factory: pytest.TempPathFactory) -> Facts:
    """Analysis → arm → its record; each analysis is run when first asked for."""
    own = {"reads": reads("llm"), "loudness": loudness("llm")}
    study = Study.model_validate(
        {
            "tasks": ["topic"],
            "models": {"llm": {"id": "smollm2-135m", "prompt": "plain"}},
            "arms": {name: {"speech_llm": name} for name in own},
            "mechanism": SIZES,
            "dtype": "float32",
        }
    )
    out = tmp_path_factory.mktemp("planted")
    plan = build_plan(study, Path.cwd(), print, own)

    @cache
    def found(analysis: str) -> dict[str, Any]:
        with open_run(out, plan, Silent()) as run:
            analyse_mechanism(run, [analysis], study.mechanism)
        journal = Journal(out / JOURNAL)
        try:
            keys = {arm.name: analysis_keys(plan, arm, [analysis], study.mechanism) for arm in plan.arms}
            facts = {arm: {analysis: journal.fact(key[analysis])} for arm, key in keys.items()}
            return {arm: getattr(decode(Analyses, fact, arm), analysis) for arm, fact in facts.items()}
        finally:
            journal.close()

    return found


def text_at_the_door(fact: LensFact) -> LensRow:
    return next(row for row in fact.rows if (row.reader, row.layer) == ("text", 0))


def test_lens_reads_words_only_where_they_were_put(facts: Facts) -> None:
    with_words = text_at_the_door(facts("lens")["reads"])
    without = text_at_the_door(facts("lens")["loudness"])
    assert with_words.on_text > 0.5
    assert (with_words.precision or 0) > 0.5 and with_words.p == 0.01
    # The planted sentences share a word with a clip now and then; other clips' words are read as often.
    assert without.precision is not None and without.null_precision is not None
    assert without.precision < 0.1
    assert without.precision - without.null_precision < 0.05


def test_words_of_the_lens_give_the_answers_and_those_of_another_clip_do_not(facts: Facts) -> None:
    found, _ = implicit(facts("implicit")["reads"])
    first = next(r for r in found if (r.reader, r.layer) == ("text", 0))
    assert first.kappa.value is not None and first.wrong.value is not None
    assert first.kappa.value > first.wrong.value + 0.3


def test_erasing_text_breaks_the_one_that_reads(facts: Facts) -> None:
    found = {r.name: r for r in erased(facts("erasure")["reads"])}
    for name in ("random", "variance-matched", "permuted"):
        assert (found["proxy"].kept.value or 0) <= (found[name].kept.value or 0)
    assert (found["random"].kept.value or 0) > 0.7
    assert (found["none"].kept.value, found["none"].perplexity.value) == (1.0, 1.0)
    left = {row.name: row for row in facts("erasure")["reads"].decodability}
    assert left["proxy"].linear.r2 < 0.2 < left["none"].linear.r2


def test_patching_finds_a_hand_off_between_the_first_and_last_layer(facts: Facts) -> None:
    for fact in facts("patching").values():
        rows, edge = patched(fact), hand_off(fact)
        assert edge is not None
        # Nothing behind the last block reads the audio positions any more.
        assert rows[-1].follows.value == 0.0
        assert rows[-1].stays.value == 1.0
    assert (patched(facts("patching")["reads"])[0].follows.value or 0) > 0.5
