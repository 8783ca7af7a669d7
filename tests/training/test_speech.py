import json

from training.sentences import Sentences
from training.speech import plan_speech

from cascade_equivalence.tasks.task import corpus_dir


def sentences(more: int) -> Sentences:
    def some(kind: str, number: int) -> tuple[str, ...]:
        return tuple(f"{kind} sentence {n}." for n in range(number))

    return Sentences(some("own", 40), some("other", 60), some("more", more), some("second", 50))


def test_how_many_further_sentences_there_are_changes_no_other_group() -> None:
    few, many = plan_speech(sentences(3), 0), plan_speech(sentences(300), 0)
    assert [len(few["more"]), len(many["more"])] == [3, 300]
    assert few["more"] == many["more"][:3]
    for group in ("kokoro", "espeak-flite", "second"):
        assert few[group] == many[group]
    assert plan_speech(sentences(3), 1)["second"] != few["second"]


def test_nobody_who_is_evaluated_or_in_the_noise_speaks() -> None:
    roles = json.loads((corpus_dir() / "voices.json").read_text(encoding="utf-8"))["roles"]
    plan = plan_speech(sentences(100), 0)
    assert {u.voice for u in plan["kokoro"]} <= set(roles["training"])
    assert all(not set(roles["training"]) & set(roles[role]) for role in ("evaluation", "babble"))
    assert {u.engine for group in ("espeak-flite", "more", "second") for u in plan[group]} == {"flite", "espeak"}


def test_every_sentence_is_spoken_and_only_sentences_of_training_are_in_the_babble() -> None:
    spoken, plan = sentences(200), plan_speech(sentences(200), 0)
    assert [u.text for u in plan["espeak-flite"]] == [*spoken.own, *spoken.other]
    assert [u.text for u in plan["second"]] == list(spoken.second)
    noisy = [u for group in plan.values() for u in group if u.babble]
    assert 0.05 < len(noisy) / sum(map(len, plan.values())) < 0.25
    assert {text for u in noisy for text in u.babble} <= {*spoken.own, *spoken.other}
