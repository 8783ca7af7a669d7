"""What a study cannot say, from what is and is not in it."""

from __future__ import annotations

from cascade_equivalence.report import numbers
from cascade_equivalence.report.curves import in_noise_order
from cascade_equivalence.report.outside import outside
from cascade_equivalence.report.proofs import flattery
from cascade_equivalence.study.results import Results

NEEDED = "about 540 items at 5\N{NO-BREAK SPACE}% discordance and 990 at 10\N{NO-BREAK SPACE}%"
"""Items that TOST needs for a margin of three points at 80 % power, McNemar-type discordance given."""


def caveats(results: Results) -> list[str]:
    """One sentence or two each, the weightiest first."""
    found = [
        *_left_out(results),
        *_size(results),
        *_arms(results),
        *outside(results),
        *_stimuli(results),
        *_measures(results),
    ]
    return [sentence for sentence in found if sentence]


def _left_out(results: Results) -> list[str]:
    return [f"Left out: arm “{name}”: {why}." for name, why in results.study.left_out.items()]


def _size(results: Results) -> list[str]:
    margin = f"±{100 * results.study.margin:g} points"
    sizes = [c.pair.n for c in results.comparisons]
    if not sizes:
        return ["No two arms were compared: this study gives accuracies only."]
    said = [c.verdict for c in results.comparisons if c.verdict is not None and c.verdict.kind is not None]
    undecided = sum(v.name == "undecided" for v in said)
    return [
        f"Size: the comparisons rest on {numbers.listed(sorted({str(n) for n in sizes}, key=int))} items. "
        f"For ±3 points the accuracy part of the rule needs {NEEDED}; with fewer, “cannot tell yet” is the expected "
        f"answer, and it is not a finding of equality. Here {undecided} of "
        f"{numbers.plural(len(said), 'verdict')} {'is' if undecided == 1 else 'are'} open at {margin}."
    ]


def _arms(results: Results) -> list[str]:
    kinds = {arm.kind for arm in results.arms}
    found = [] if "speech" not in kinds else _speech(results)
    if "speech" not in kinds:
        found.append(
            "Arms: no speech LLM is in this study. It shows how far cascades on one LLM agree, which is the ceiling a "
            "speech LLM on that backbone would be held against; it says nothing about any speech LLM. No pair "
            "gets a verdict but those that the study names, and none is adjusted for their number."
        )
    if "gold" not in kinds:
        found.append("No gold arm: whether the tasks can be solved from the words alone is not shown.")
    return found


def _speech(results: Results) -> list[str]:
    count = sum(c.verdict is not None and c.verdict.family is not None for c in results.comparisons)
    found = [
        f"Family: {numbers.plural(count, 'primary verdict')}{numbers.adjusted(count)}; all others are exploratory and "
        "unadjusted."
    ]
    if flattered := flattery(results):
        found.append(f"Shared encoder: {' '.join(flattered)}")
    return found


def _stimuli(results: Results) -> list[str]:
    noisy = [c for c in in_noise_order(results.conditions) if c != "clean"]
    heard = f"clean speech and {numbers.listed(noisy)}" if noisy else "clean speech"
    speakers = {i.speaker for task in results.tasks for i in task.items if i.speaker}
    voices = f", spoken by {numbers.plural(len(speakers), 'voice')}" if speakers else ""
    found = [f"Stimuli: {heard}{voices}. Other rooms, channels, accents and recordings may come out differently."]
    if not results.controls:
        found.append(
            "Controls: silence, swapped and withheld audio are in the hearing check alone, and no condition; "
            "how much of the accuracy is reached without listening rests on those few trials."
            if results.hearing
            else "Controls: no silence, swapped or withheld audio among the conditions, so this study does not show "
            "how much of the accuracy is reached without listening."
        )
    return found


def _measures(results: Results) -> list[str]:
    found = []
    if not results.retests:
        found.append(
            "Noise floor: no arm was run twice under nuisances (other batch size, another voice, a small shift), so κ "
            "is not compared with an arm's agreement with itself."
        )
    if not results.orders and not all(task.open for task in results.tasks):
        found.append("Option order: no task was asked with its options in another order (`permute`).")
    if any(arm.latency for arm in results.arms):
        sizes = sorted({len(arm.latency) for arm in results.arms if arm.latency})
        n = str(sizes[0]) if len(sizes) == 1 else f"{sizes[0]} to {sizes[-1]}"
        found.append(f"Latency: {n} single items an arm on one machine; nothing about servers under load.")
    if any(task.open for task in results.tasks):
        found.append("Open tasks: κ there is the agreement on being right or wrong, not on the words of the answers.")
    if results.word_errors:
        found.append(
            "Word errors: counted after an English text normaliser, over items whose spoken text is known; noise may "
            "change meaning with few errors, or spoil spelling without changing meaning."
        )
    return found
