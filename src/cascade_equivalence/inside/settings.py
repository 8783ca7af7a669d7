"""How large the analyses of a study are. The defaults are for a machine with an accelerator or an hour's patience."""

from __future__ import annotations

from typing import Literal, get_args

from pydantic import BaseModel, ConfigDict, Field

Analysis = Literal["probes", "lens", "implicit", "erasure", "patching"]
ANALYSES: tuple[Analysis, ...] = get_args(Analysis)
Concept = Literal["proxy", "ctc", "bag", "acoustic"]
Scope = Literal["audio", "all"]


class MechanismSpec(BaseModel):
    """Sizes of the analyses.

    arms: the speech LLMs that are looked into; None is all of them. tasks: None is those that a transcript suffices
    for, or all closed ones if there is none of these. trials: clean trials that answers are read from, evenly over the
    tasks. fit: utterances outside them that probes and erasers are fitted on. sentences: of plain text, for the two
    readouts. damage: sentences whose perplexity says what an eraser breaks. generate: trials that are also answered by
    generation under each erasure. seeds: random subspaces. decode: layers at which decodability after erasure is
    measured. layers: None is nine.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    arms: list[str] | None = Field(default=None, min_length=1)
    tasks: list[str] | None = Field(default=None, min_length=1)
    trials: int = Field(default=240, ge=4)
    fit: int = Field(default=1000, ge=40)
    sentences: int = Field(default=600, ge=40)
    damage: int = Field(default=60, ge=2)
    generate: int = Field(default=40, ge=0)
    seeds: int = Field(default=5, ge=1)
    decode: int = Field(default=3, ge=1)
    probe_layers: int | None = Field(default=None, ge=1)
    layers: list[int] | None = Field(default=None, min_length=1)
    concepts: list[Concept] = Field(default_factory=lambda: list(get_args(Concept)), min_length=1)
    scopes: list[Scope] = Field(default_factory=lambda: list(get_args(Scope)), min_length=1)
