"""What the analyses of the inside found, as tables for the terminal and the HTML report alike."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from cascade_equivalence.report import cells, numbers
from cascade_equivalence.study.mechanism.facts import (
    Analyses,
    ErasureFact,
    ImplicitFact,
    LensFact,
    PatchingFact,
    ProbeRow,
    ProbesFact,
)
from cascade_equivalence.study.mechanism.results import (
    Contrast,
    Erased,
    contrasts,
    erased,
    hand_off,
    implicit,
    patched,
)
from cascade_equivalence.study.results import Arm, Results

CONDITIONS = {
    "none": "baseline",
    "proxy": "text (proxy)",
    "ctc": "text (CTC)",
    "bag": "text (bag)",
    "acoustic": "acoustic (energy, pitch)",
    "random": "random, same rank",
    "variance-matched": "random, same variance",
    "permuted": "text of other clips",
}
READERS = {"raw": "logit lens", "text": "text lens", "centroids": "token centroids"}
SHORT = {"random": "the same rank", "variance-matched": "the same variance", "permuted": "text of other clips"}
FITTED = 1000
"""Utterances that a fit should rest on at least."""
SCOPES = {"audio": "audio positions", "all": "all positions"}


@dataclass(frozen=True, slots=True)
class Table:
    """A table as text. paper: the paper's table it has the form of."""

    title: str
    paper: str
    note: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class Read:
    """The best token of a position, how sure (0 to 1), and the next ones."""

    token: str
    sure: float
    others: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Picture:
    """Position × layer of one trial for one reader: rows are (layer, cells)."""

    title: str
    text: str
    rows: tuple[tuple[int, tuple[Read, ...]], ...]


@dataclass(frozen=True, slots=True)
class Inside:
    """All of one arm. lines: the findings in words."""

    arm: str
    nature: str | None
    lines: tuple[str, ...]
    tables: tuple[Table, ...]
    pictures: tuple[Picture, ...]


def insides(results: Results) -> list[Inside]:
    """Arm by arm; empty where the study asked for no analysis, or none has run."""
    return [_inside(arm, facts) for arm in results.arms if (facts := results.mechanism.get(arm.name))]


def _inside(arm: Arm, facts: Analyses) -> Inside:
    source = arm.speech.source if arm.speech else ""
    tables: list[Table] = []
    lines: list[str] = []
    made: tuple[tuple[Table, list[str]] | None, ...] = (
        _probes(facts.probes) if facts.probes else None,
        _lens(facts.lens) if facts.lens else None,
        _implicit(facts.implicit) if facts.implicit else None,
        _erasure(facts.erasure) if facts.erasure else None,
        (_decodability(facts.erasure), []) if facts.erasure else None,
        _patching(facts.patching) if facts.patching else None,
    )
    for table, said in filter(None, made):
        tables.append(table)
        lines += said
    return Inside(
        arm=arm.name,
        nature=_nature(source),
        lines=tuple(lines),
        tables=tuple(tables),
        pictures=tuple(_pictures(facts.lens)) if facts.lens else (),
    )


def _nature(source: str) -> str | None:
    if "pocket-ctc" in source:
        return (
            "Positive control: its connector writes text at the LLM's door by construction (the words it hears, in the "
            "LLM's own embeddings), so text inside it is no discovery."
        )
    return None


def _probes(fact: ProbesFact) -> tuple[Table, list[str]]:
    by_place: dict[tuple[str, int], dict[str, str]] = {}
    for row in fact.rows:
        by_place.setdefault((row.where, row.layer), {}).update(_probe_cells(row))
    wanted = ("energy", "pitch", "ctc 1", "impossible", "r", "ctc r", "ctc mlp", "bag")
    rows = [
        (f"{'encoder ' if where == 'encoder' else ''}{layer}", *(found.get(name, numbers.UNDEFINED) for name in wanted))
        for (where, layer), found in by_place.items()
    ]
    held = f", speakers of {fact.speakers} held out whole" if fact.speakers >= 5 else ""
    note = (
        f"Held-out R² and 1 − CER with 95 % intervals, n {fact.n} utterances"
        f"{held}. r is how many symbols a position may spell; at r = 1 the share of clips in the next column cannot be "
        "spelt, whatever the states hold. Selectivity: R² minus that of a control task without meaning."
        f"{_left_out(fact)}"
    ) + _few(fact.n)
    columns = ("Layer", "Energy R²", "Pitch R²", "CTC, r = 1", "Impossible, %", "r", "CTC, r", "CTC, r, MLP", "Bag R²")
    inside = [r for r in fact.rows if r.where == "llm" and r.target == "ctc" and not r.hidden]
    lines = []
    if inside:
        best = max(inside, key=lambda r: r.value)
        lines.append(
            f"probes: characters are best read at layer {best.layer}, 1 − CER "
            f"{cells.estimate(best.value, best.low, best.high)} (r = {best.symbols}, n {fact.n})"
        )
    return Table("Probes", "4", note, columns, tuple(rows)), lines


def _left_out(fact: ProbesFact) -> str:
    """What could not be probed, and why."""
    by_reason: dict[str, list[str]] = {}
    for target, reason in fact.left_out.items():
        by_reason.setdefault(reason, []).append(target)
    return "".join(f" No probe of {numbers.listed(targets)}: {reason}." for reason, targets in by_reason.items())


def _probe_cells(row: ProbeRow) -> dict[str, str]:
    """Column → text of one probe."""
    if row.target != "ctc":
        text = f"{cells.r2(row.linear)}; MLP {numbers.coefficient(row.mlp.r2 if row.mlp else None)}"
        if row.selectivity is not None:
            text += f"; selectivity {numbers.coefficient(row.selectivity)}"
        return {row.target: text}
    name = "ctc mlp" if row.hidden else "ctc 1" if row.symbols == 1 else "ctc r"
    found = {name: cells.estimate(row.value, row.low, row.high)}
    if row.symbols > 1 or row.hidden:
        found["r"] = str(row.symbols)
    if name == "ctc 1":
        found["impossible"] = numbers.percent(row.impossible, 0)
    return found


def _lens(fact: LensFact) -> tuple[Table, list[str]]:
    rows = tuple(
        (
            READERS[row.reader],
            str(row.layer),
            numbers.percent(row.on_text, 0) + (" (blind)" if row.blind else ""),
            cells.estimate(row.precision, row.low, row.high),
            numbers.coefficient(row.null_precision),
            numbers.coefficient(row.recall),
            numbers.coefficient(row.null_recall),
            numbers.p_value(row.p),
            str(row.empty),
        )
        for row in fact.rows
    )
    lines = []
    for reader, name in READERS.items():
        mine = [r for r in fact.rows if r.reader == reader]
        seeing = [r for r in mine if not r.blind and r.precision is not None]
        blind = [r.layer for r in mine if r.blind]
        said = f"{name}: "
        if seeing:
            best = max(seeing, key=lambda r: r.precision or 0.0)
            said += (
                f"best at layer {best.layer}, precision "
                f"{cells.estimate(best.precision, best.low, best.high)} "
                f"against {numbers.coefficient(best.null_precision)} for other clips' words (n {fact.n})"
            )
            if all(r.p is None or r.p > 0.05 for r in seeing):
                said += ", at no layer more than chance (p > 0.05)"
        if blind:
            said += f"{'; ' if seeing else ''}blind even on plain text at layers {cells.layers(blind)}"
        lines.append(said)
    note = (
        "Content words read at audio positions: share that was said (precision) and share of what was said that is "
        "read (recall), against the words of other clips. On text: share of held-out plain-text positions where the "
        "reader names the token there (the logit lens: that token or the next). Where it is blind on text it says "
        f"nothing about speech. Both readouts are fitted on {fact.sentences} sentences of plain text only."
    )
    columns = ("Reader", "Layer", "On text, %", "Precision", "Null", "Recall", "Null", "p", "Clips without a word")
    return Table("Lens", "5", note, columns, rows), lines


def _implicit(fact: ImplicitFact) -> tuple[Table, list[str]]:
    found, cascade = implicit(fact)
    rows = tuple(
        (
            *(READERS[r.reader], str(r.layer), cells.interval(r.kappa)),
            *((cells.interval(cascade),) if cascade is not None else ()),
            *(cells.interval(r.shuffled), cells.interval(r.wrong), str(r.empty)),
        )
        for r in found
    )
    note = f"κ with the arm's own answers, n {len(fact.own)}. The LLM is given the words that a layer's lens reads."
    beside = "" if cascade is None else f"; its cascade {cells.interval(cascade)}"
    if cascade is not None:
        note += " κ_casc is that of the cascade on its LLM, on the same trials."
    lines = []
    known = [r for r in found if r.kappa.value is not None]
    if known:
        best = max(known, key=lambda r: r.kappa.value or 0.0)
        lines.append(
            f"implicit cascade: κ {cells.interval(best.kappa)} from the {READERS[best.reader]} at layer {best.layer}"
            f"{beside}; words of another clip {cells.interval(best.wrong)} (best of {len(known)} readings)"
        )
        if not any(r.kappa.low is not None and r.kappa.low > (r.wrong.high or 0.0) for r in known):
            lines[-1] += ", at no layer clear of that null"
    elif not found:
        lines.append("implicit cascade: no reader reads text")
    columns = (
        *("Reader", "Layer", "κ_impl"),
        *(("κ_casc",) if cascade is not None else ()),
        *("Words shuffled", "Another clip's words", "Clips without a word"),
    )
    return Table("Implicit cascade", "6", note, columns, rows), lines


def _erasure(fact: ErasureFact) -> tuple[Table, list[str]]:
    found = erased(fact)
    written = f"; generation over {fact.generated_on}" if fact.generated_on else ""
    rows = []
    for row in found:
        seeds = f"; {len(row.seeds)} seeds {cells.between(row.seeds)}" if len(row.seeds) > 1 else ""
        rows.append(
            (
                CONDITIONS[row.name],
                SCOPES[row.scope] if row.name != "none" else "",
                cells.share(row.accuracy) + seeds,
                cells.share(row.kept),
                cells.share(row.generated),
                cells.share(row.parsed),
                cells.multiple(row.perplexity),
                numbers.UNDEFINED if row.rank is None else str(row.rank),
                numbers.percent(row.removed),
            )
        )
    note = (
        f"Forced choice over {len(fact.trials)} trials with Wilson's 95 % intervals{written}. "
        f"Erased at layers {', '.join(map(str, fact.layers))} at once, prefill and "
        f"decoding. Fitted on {fact.fit} utterances ({fact.fit_rows} positions, {fact.fit_outside} utterances "
        "with words that the study does not evaluate, none with those of a trial). Perplexity of plain text with the "
        "eraser at every position, as a multiple of that without; erasing at audio positions alone leaves it as it "
        "is. Variance removed: mean over layers."
    ) + _few(fact.fit)
    for name, reason in fact.left_out.items():
        note += f" Left out: {CONDITIONS[name]}, {reason}."
    columns = (
        *("Erased", "Where", "Forced choice, %", "Answers kept, %", "Generated, %", "Parsed, %"),
        *("Perplexity ×", "Rank", "Variance removed, %"),
    )
    return Table("Erasure", "7", note, columns, tuple(rows)), [*_erasure_lines(found), *_contrast_lines(fact)]


def _erasure_lines(found: Sequence[Erased]) -> Iterator[str]:
    for scope, where in SCOPES.items():
        here = [r for r in found if r.scope == scope or r.name == "none"]
        if len(here) < 2:
            continue
        said = [f"{CONDITIONS[r.name]} {cells.share(r.accuracy)}" for r in here if r.name != "bag"]
        yield f"erasure at {where}, forced choice, %: {'; '.join(said)} (n {here[0].n})"


def _contrast_lines(fact: ErasureFact) -> Iterator[str]:
    """What each erasure costs beyond its controls, and whether that is more than nothing."""
    groups: dict[tuple[str, str], list[Contrast]] = {}
    for contrast in contrasts(fact):
        groups.setdefault((contrast.scope, contrast.name), []).append(contrast)
    for (scope, name), against in groups.items():
        said = [
            f"{numbers.points(c.difference.value)} ({numbers.limits(c.difference, 'points')}) "
            f"against {SHORT[c.control]}"
            for c in against
        ]
        worse = [c.worse for c in against]
        verdict = (
            "it breaks more than every control"
            if all(worse)
            else "not shown to break more than the controls"
            if not any(worse)
            else "it breaks more than some of the controls, not all"
        )
        yield f"erasing {CONDITIONS[name]} at {SCOPES[scope]}, points of accuracy: {', '.join(said)}: {verdict}"


def _few(utterances: int) -> str:
    return f" Fewer than {FITTED}: these figures are of a small fit." if utterances < FITTED else ""


def _decodability(fact: ErasureFact) -> Table:
    rows = tuple(
        (
            str(r.layer),
            CONDITIONS.get(r.name, r.name) if r.name != "none" else "nothing",
            cells.r2(r.linear),
            cells.r2(r.mlp),
        )
        for r in fact.decodability
    )
    note = (
        "Held-out R² of the leading components of the text proxy from a layer's own states after its own eraser. "
        "Erasure takes away what is linear: what an MLP still reads was not."
    )
    return Table("Text left after erasure", "", note, ("Layer", "Erased", "Linear R²", "MLP R²"), rows)


def _patching(fact: PatchingFact) -> tuple[Table, list[str]]:
    found, edge = patched(fact), hand_off(fact)
    rows = tuple((str(r.layer), cells.share(r.follows), cells.share(r.stays)) for r in found)
    n = found[0].n if found else 0
    note = (
        f"Audio positions of one layer get the states of a clip that the arm answers otherwise, n {n} pairs. Below the "
        "hand-off the answer follows them; above it the text positions have what they need."
    )
    if edge is None:
        said = "patching: no two trials were answered differently, so nothing could be exchanged"
    elif edge.before:
        said = f"patching: answers never follow the audio positions of one layer (n {n})"
    elif edge.layer is None:
        said = f"patching: answers follow the audio positions at every layer looked at (n {n})"
    else:
        limits = f" (95 % {edge.low}–{'above' if edge.high is None else edge.high})"
        said = f"patching: hand-off at layer {edge.layer}{limits}, n {n} pairs"
    columns = ("Layer", "Follow the other clip, %", "Stay, %")
    return Table("Interchange by layer", "", note, columns, rows), [said]


def _pictures(fact: LensFact) -> Iterator[Picture]:
    for picture in fact.pictures:
        for reader, name in READERS.items():
            shown = tuple(
                (
                    row.layer,
                    tuple(
                        Read(top[0], _sure(reader, score), tuple(top[1:]))
                        for top, score in zip(row.tokens, row.scores, strict=True)
                    ),
                )
                for row in picture.rows
                if row.reader == reader
            )
            if shown:
                yield Picture(f"{name}, {picture.item}", picture.text or "", shown)


def _sure(reader: str, score: float) -> float:
    """0 to 1: the probability, or the cosine where it is positive."""
    import math

    return math.exp(score) if reader == "raw" else min(1.0, max(0.0, score))
