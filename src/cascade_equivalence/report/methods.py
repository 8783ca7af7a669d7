"""The methods of a study as a paragraph, ready to be pasted: what was run on what, how it was judged, and its seeds."""

from __future__ import annotations

from cascade_equivalence import __version__
from cascade_equivalence.agreement.parts import ALPHA, EPSILON, FLOOR
from cascade_equivalence.agreement.verdict import FEWEST_UNITS
from cascade_equivalence.reading.terminal import plain
from cascade_equivalence.report import numbers
from cascade_equivalence.report.arms import ordered
from cascade_equivalence.report.headline import title_of, unfinished
from cascade_equivalence.report.proofs import parts_of
from cascade_equivalence.study.results import Arm, Identity, Results, TaskRecord


def methods(results: Results) -> str:
    """One paragraph. Every figure in it is the study's own; names are as the study has them."""
    said = [
        _what(results),
        f"Systems: {'; '.join(_arm(arm) for arm in ordered(results))}.",
        _stimuli(results),
        _answers(results),
        _checks(results),
        _statistics(results),
        _rule(results),
        _family(results),
        f"Randomness: seed {results.study.seed} throughout.",
        _software(results),
        unfinished(results),
    ]
    return plain(" ".join(sentence for sentence in said if sentence))


def _what(results: Results) -> str:
    tasks = [
        f"{task.name} ({numbers.plural(len(task.items), 'item')}{_origin(task)})" for task in results.tasks
    ]  # fmt: skip
    pooled = [task.name for task in results.tasks if task.pools]
    pool = f" {numbers.listed(pooled)} were also pooled, stratified by task." if len(pooled) > 1 else ""
    return (
        f"We compared {numbers.plural(len(results.arms), 'system')} item by item with cascade-equivalence "
        f"{results.environment.get('cascade-equivalence', __version__)} on {numbers.listed(tasks)}.{pool}"
    )


def _origin(task: TaskRecord) -> str:
    if task.origin is None:
        return ""
    revision = f", revision {task.origin.revision[:12]}" if task.origin.revision else ""
    return f" of {task.origin.dataset}{revision}"


def _arm(arm: Arm) -> str:
    kind = {"gold": "the true text", "cascade": "ASR → LLM cascade", "speech": "speech LLM"}[arm.kind]
    planted = f", planted as a control ({arm.planted})" if arm.planted else ""
    models = ", ".join(f"{part} {_model(model)}" for part, model in parts_of(arm))
    same = f"; {numbers.listed(arm.same)} identical by fingerprint and run once" if arm.same else ""
    return f"{arm.name} ({kind}{planted}{': ' if models else ''}{models}{same})"


def _model(model: Identity) -> str:
    weights = f", weights {model.weights[:12]}" if model.weights else ", weights not known"
    of = f" from {model.source}" if model.source and model.source != model.name else ""
    return f"{model.name}{of}{weights}{f', {model.dtype}' if model.dtype else ''}"


def _stimuli(results: Results) -> str:
    heard = numbers.listed(list(results.conditions))
    what = "condition" if len(results.conditions) == 1 else "conditions"
    controls = list(dict.fromkeys(c.condition for c in results.controls))
    also = f", and as controls under {numbers.listed(controls)}" if controls else ""
    gold = (
        ""
        if not any(arm.kind == "gold" for arm in results.arms)
        else " The system that reads the true text was asked once."
    )
    return (
        f"Every system that hears was given the same recording of each item under the {what} {heard}{also}, and the "
        f"same prompt.{gold}"
    )


def _answers(results: Results) -> str:
    by_score = [task for task in results.tasks if task.mode == "labels"]
    generated = [task.name for task in results.tasks if task.mode != "labels"]
    parts = []
    if by_score:
        shots = sorted({len(task.shots) for task in by_score})
        n = sorted({task.calibrated_on for task in by_score})
        parts.append(
            "An answer is the label with the highest mean log-likelihood per token"
            + _calibration(results.study.calibration, n)
            + f", after {'–'.join(map(str, shots))} examples in the prompt"
        )
    if generated:
        only = f" on {numbers.listed(generated)}" if by_score else ""
        parts.append(f"Answers{only} were generated greedily and read by fixed rules")
    return ". ".join(parts) + ". Answers that could not be read count as wrong and as a label of their own."


def _calibration(kind: str, sizes: list[int]) -> str:
    if kind == "none" or not any(sizes):
        return ", not calibrated"
    per = "language model and prompt" if kind == "shared" else "system and prompt"
    return f", less one offset per {per} from {'–'.join(map(str, sizes))} development items that are not evaluated"


def _checks(results: Results) -> str:
    if not results.hearing:
        return ""
    n = sorted({found.n for found in results.hearing.values()})
    passed = [name for name, found in results.hearing.items() if found.passed]
    return (
        f"Each system had to show on {'–'.join(map(str, n))} trials that it hears: its label scores and answers had to "
        f"change with another item’s audio ({len(passed)} of {len(results.hearing)} passed)."
    )


def _statistics(results: Results) -> str:
    clustered = any(c.pair.clusters is not None for c in results.comparisons)
    units = "groups of items" if clustered else "items"
    return (
        "Accuracies have Wilson’s 95 % intervals, paired accuracy differences Tango’s score intervals. Agreement is "
        "Cohen’s κ of labels, its interval Wilson’s on the observed disagreement at the effective sample size of a "
        f"paired bootstrap over {units} ({numbers.grouped(results.study.resamples)} resamples)."
    )


def _rule(results: Results) -> str:
    margin = f"{100 * results.study.margin:g} points"
    judged = [c for c in results.comparisons if c.verdict is not None]
    if not judged:
        return "No pair was judged."
    return (
        f"A system was called better or worse than a cascade where the accuracy difference was shown to lie beyond "
        f"±{margin}, the same where it was shown to lie within (one-sided tests at {100 * ALPHA:g} %); "
        f"its answers the same where κ was shown to be at most {EPSILON:g} below the κ of that cascade with the most "
        f"accurate other cascade on its LLM, other where it was shown to be further below. Answers were not judged "
        f"without such a cascade or where the lower bound of its κ was under {FLOOR:.2f}; fewer than {FEWEST_UNITS} "
        "independent items got no verdict."
    )


def _family(results: Results) -> str:
    primary = [c for c in results.comparisons if c.primary and c.verdict is not None]
    others = sum(c.verdict is not None and c.verdict.kind is not None for c in results.comparisons) - len(primary)
    if not primary:
        return f"None of {numbers.plural(others, 'verdict')} was primary; none is adjusted." if others else ""
    pairs = [
        f"{c.left} against {c.right} on {title_of(c.task, results)}, {c.condition} (n = {numbers.grouped(c.pair.n)})"
        for c in primary
    ]
    rest = f"; {numbers.plural(others, 'other')} exploratory and unadjusted" if others else ""
    count = numbers.plural(len(primary), "primary verdict")
    return f"Primary: {'; '.join(pairs)}. {numbers.capital(count)}{numbers.adjusted(len(primary))}{rest}."


def _software(results: Results) -> str:
    names = ("python", "torch", "transformers", "numpy", "scipy")
    known = [
        f"{name} {results.environment[name]}"
        for name in names
        if results.environment.get(name, "not installed") != "not installed"
    ]
    machine = results.environment.get("machine")
    devices = list(dict.fromkeys(model.device for arm in results.arms for _, model in parts_of(arm) if model.device))
    where = f" on {numbers.listed(devices)}" if devices else ""
    return f"Software: {', '.join(known)}{f' ({machine})' if machine else ''}; models ran{where}." if known else ""
