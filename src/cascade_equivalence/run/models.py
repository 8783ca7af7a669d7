"""The models of a plan, loaded when first needed and shared by all arms that name them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cascade_equivalence.run.plan import Plan
from cascade_equivalence.run.progress import Reporter

if TYPE_CHECKING:
    from cascade_equivalence.systems.backbone import Backbone
    from cascade_equivalence.systems.whisper import Whisper


class Models:
    """Loads on demand; one object per name."""

    def __init__(self, plan: Plan, reporter: Reporter) -> None:
        self._plan, self._reporter = plan, reporter
        self._asr: dict[str, Whisper] = {}
        self._llm: dict[str, Backbone] = {}

    def asr(self, name: str) -> Whisper:
        """The ASR of that name in the study."""
        if name not in self._asr:
            from cascade_equivalence.systems.whisper import Whisper

            self._announce(name)
            model = self._plan.models[name]
            self._asr[name] = Whisper(name, model.directory, model.placement, self._plan.paddings[name])
        return self._asr[name]

    def llm(self, name: str) -> Backbone:
        """The LLM of that name in the study."""
        if name not in self._llm:
            from cascade_equivalence.systems.backbone import Backbone

            self._announce(name)
            model = self._plan.models[name]
            self._llm[name] = Backbone.load(name, model.directory, model.placement)
        return self._llm[name]

    def _announce(self, name: str) -> None:
        from transformers.utils import logging

        # Its bar for every load would break the run's own.
        logging.disable_progress_bar()
        model = self._plan.models[name]
        self._reporter.say(
            f"loading {name}: {model.identity.source} on {model.placement.device}, {model.placement.dtype}"
        )
