"""`pocket-frames`: every frame's embedding, trained with the LLM in the loop.

Four stages, on our own sentences; trunk and head are those of a trained `pocket-ctc` and stay as they are. `blank`: one
vector that the LLM overlooks where no token is. `code`: a private vector for every entry of the head, that the LLM's
first block turns into what it makes of the token, and that is orthogonal to the token's own embedding. `sound`: the
output tells level, pitch and voice, where the first block overlooks it. `loop`: KL to the LLM's own logits on the text,
with the sound kept in and the tokens' embeddings kept out.
"""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.rnn import pad_sequence

from cascade_equivalence.errors import ModelError
from cascade_equivalence.systems.backbone import Backbone
from cascade_equivalence.systems.prompting import spoken_text
from cascade_equivalence.systems.speech.pocket import STACK, CtcConnector, FrameConnector, pad, positions
from cascade_equivalence.systems.speech.pocket_checkpoint import save_connector
from training.alignment import align
from training.ctc import LEAST, fits, own_places
from training.features import Example
from training.loop import Check, Loss, Stage, held_out, run_stage
from training.prompts import PROMPTS, Prompt
from training.vocabulary import build_vocabulary

ROWS = (64, 32)
"""Sequences, and positions of each, in a step of the second stage."""
BLANKS = 0.4
"""Share of these positions without a token."""
SOUND = 1.0
"""Weight of the sound's losses beside the KL."""


@dataclass(frozen=True, slots=True)
class Steps:
    """Steps of the four stages."""

    blank: int
    code: int
    sound: int
    loop: int


@dataclass(frozen=True, slots=True)
class _Aligned:
    """An example with its tokens: `entries` of the head and the position of each; `ids`: the LLM's own tokens."""

    example: Example
    entries: Tensor
    spots: Tensor
    ids: tuple[int, ...]
    voice: int

    def shifted(self, frames: int) -> _Aligned:
        """Without the first `frames` (0 to 3) of 20 ms: positions begin elsewhere, the nearest keep their tokens."""
        lead = frames // 2
        states = self.example.states[frames:]
        spots = (self.spots - lead).clamp(0, positions(states) - 1)
        sound = torch.cat([self.example.sound[lead:], self.example.sound[-1:]])
        return replace(self, example=replace(self.example, states=states, sound=sound), spots=spots)


class _Model(nn.Module):
    """The connector, and what only its training needs: heads that must read the sound off its output."""

    def __init__(self, connector: FrameConnector, voices: int) -> None:
        super().__init__()
        self.connector = connector
        width = connector.config.llm_width
        self.level_pitch = nn.Linear(width, 2)
        self.voice = nn.Linear(width, voices)


def train_frames(
    examples: Sequence[Example], backbone: Backbone, ctc: CtcConnector, steps: Steps, seed: int, directory: Path
) -> FrameConnector:
    """Train from a trained `pocket-ctc` and ship into `directory`/pocket-frames. `backbone`: the LLM in bfloat16.

    Raises `ModelError` where `ctc` was trained on other sentences.
    """
    trainer = _Trainer(examples, backbone, ctc, seed, directory)
    curves = {
        "blank": trainer.learn_blank(steps.blank),
        "code": trainer.learn_code(steps.code),
        "sound": trainer.learn_sound(steps.sound),
        "loop": trainer.close_loop(steps.loop),
    }
    connector = trainer.model.connector
    save_connector(directory / "pocket-frames", "pocket-frames", "whisper-base", "smollm2-135m", connector)
    (directory / "curve-frames.json").write_text(json.dumps(curves, indent=1) + "\n", encoding="utf-8")
    return connector


class _Trainer:
    def __init__(
        self, examples: Sequence[Example], backbone: Backbone, ctc: CtcConnector, seed: int, directory: Path
    ) -> None:
        self.backbone, self.ctc, self.seed, self.directory = backbone, ctc, seed, directory
        backbone.model.requires_grad_(False)
        self.table: Tensor = backbone.model.get_input_embeddings().weight
        self.tokens = ctc.tokens.long()
        self.voices = sorted({e.voice for e in examples})
        train_texts = dict.fromkeys(e.text for e in examples if not held_out(e.text))
        vocabulary = build_vocabulary(train_texts, backbone.tokenizer, LEAST)
        if vocabulary.tokens != tuple(self.tokens.tolist()):
            raise ModelError(
                f"{directory}: its pocket-ctc was trained on other sentences than these features hold; train it again "
                "in another --work, or remove ctc.checkpoint.safetensors"
            )
        self.entries = vocabulary.entries
        heard = [e for e in examples if not held_out(e.text) and fits(e, self.entries(e.text))]
        self.train = [heard[i] for i in own_places(heard)]
        self.test = self._align([e for e in examples if held_out(e.text) and fits(e, self.entries(e.text))][:48])
        self.embeddings = self.table[self.tokens].float()
        self.short = copy.copy(backbone.model.model)
        self.short._modules = dict(self.short._modules)
        self.short.layers = backbone.model.model.layers[:1]
        self.short.norm = nn.Identity()
        self.blank = nn.Parameter(self.embeddings.mean(0))
        self.model = self._start()

    def _start(self) -> _Model:
        torch.manual_seed(self.seed)
        connector = FrameConnector(replace(self.ctc.config, kind="frames"))
        connector.trunk.load_state_dict(self.ctc.trunk.state_dict())
        connector.code.load_state_dict(self.ctc.head.state_dict())
        connector.trunk.requires_grad_(False)
        connector.code.requires_grad_(False)
        with torch.no_grad():
            connector.residual_out.weight.mul_(0.02)
            connector.residual_out.bias.zero_()
        return _Model(connector, len(self.voices))

    def _align(self, examples: Sequence[Example]) -> list[_Aligned]:
        """Examples that fit, with their tokens."""
        frames, there = pad([e.states for e in examples])
        with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
            logits = self.ctc.logits(frames.float(), there)
        found = []
        for example, row, here in zip(examples, logits.float().log_softmax(-1), there, strict=True):
            target = self.entries(example.text)
            spots = align(row[here].numpy(), target)
            ids = tuple(self.backbone.encode(spoken_text(example.text)))
            voice = self.voices.index(example.voice)
            found.append(_Aligned(example, torch.tensor(target), torch.from_numpy(spots), ids, voice))
        return found

    def _draw(self, batch: Sequence[int]) -> list[_Aligned]:
        chosen = self._align([self.train[i] for i in batch])
        shifts = torch.randint(0, STACK, (len(chosen),)).tolist()
        return [a.shifted(k) for a, k in zip(chosen, shifts, strict=True)]

    def _placed(self, batch: Sequence[_Aligned], blank: Tensor, vectors: Tensor) -> list[Tensor]:
        """The entries' vectors at their positions, the blank vector elsewhere: (positions, width) each."""
        states = []
        for a in batch:
            rows = blank.expand(positions(a.example.states), -1)
            states.append(rows.index_copy(0, a.spots, vectors[a.entries - 1]))
        return states

    def _tail_logits(self, prompt: Prompt, states: Sequence[Tensor], tails: Sequence[Sequence[int]]) -> Tensor:
        """Log-probabilities of what follows, (all positions, vocabulary).

        Where the content is repeated from the last position of `states` to the end of the tails, else at the end only.
        """
        before = self.backbone.encode(prompt.before, start=not prompt.chat)
        rows = [
            torch.cat([s.to(self.table.dtype), self.table[torch.tensor(t)]]) for s, t in zip(states, tails, strict=True)
        ]
        past = self.backbone.cache(before, len(rows))
        hidden = self.backbone.model.model(
            inputs_embeds=pad_sequence(rows, batch_first=True), past_key_values=past, use_cache=True
        ).last_hidden_state
        kept = []
        for h, s, t in zip(hidden, states, tails, strict=True):
            end = len(s) + len(t)
            kept.append(h[len(s) - 1 if prompt.repeat else end - 1 : end])
        logits: Tensor = self.backbone.model.lm_head(torch.cat(kept))
        return logits.float().log_softmax(-1)

    def _divergence(self, batch: Sequence[_Aligned], states: Sequence[Tensor], prompt: Prompt) -> Tensor:
        """Mean KL of the LLM's next tokens, on the text and on `states`, where `_tail_logits` has them."""
        after = self.backbone.encode(prompt.after)
        tails = [[*after, *(a.ids if prompt.repeat else ())] for a in batch]
        with torch.no_grad():
            text = [self.table[torch.tensor(a.ids)] for a in batch]
            wanted = self._tail_logits(prompt, text, tails)
        return functional.kl_div(
            self._tail_logits(prompt, states, tails), wanted, reduction="batchmean", log_target=True
        )

    def _prompt(self, step: int) -> Prompt:
        return random.Random(f"prompt {self.seed} {step}").choices(PROMPTS, [p.weight for p in PROMPTS])[0]

    def learn_blank(self, steps: int) -> list[dict[str, float]]:
        """First stage. Only the blank vector moves."""
        holder = nn.Module()
        holder.register_parameter("blank", self.blank)

        def loss(batch: list[int], step: int) -> tuple[Tensor, dict[str, float]]:
            chosen = self._draw(batch)
            value = self._divergence(chosen, self._placed(chosen, self.blank, self.embeddings), self._prompt(step))
            return value, {"kl": float(value.detach())}

        def check() -> dict[str, float]:
            return self._repeats(self.blank, self.embeddings)

        stage = self._stage("blank", holder, steps, 3e-2, 8, loss, check)
        curve = run_stage(stage, self.train, self.directory)
        with torch.no_grad():
            self.model.connector.table[0] = self.blank
        return curve

    def learn_code(self, steps: int) -> list[dict[str, float]]:
        """Second stage, on random tokens. Only the code moves."""
        holder = nn.Module()
        code = nn.Parameter(self.embeddings.clone())
        holder.register_parameter("code", code)
        blank = self.blank.detach()

        def loss(_: list[int], step: int) -> tuple[Tensor, dict[str, float]]:
            chosen = torch.randint(len(code), ROWS)
            empty = torch.rand(ROWS)[..., None] < BLANKS
            before = self.backbone.encode(self._prompt(step).before, start=True)
            with torch.no_grad():
                wanted = _scaled(self._first_block(before, torch.where(empty, blank, self.embeddings[chosen])))
            found = _scaled(self._first_block(before, torch.where(empty, blank, code[chosen])))
            matched = (found - wanted).square().mean()
            door = functional.relu(self._nearness(code[chosen], chosen)).mean()
            return matched + door, {"matched": float(matched.detach()), "door": float(door.detach())}

        def check() -> dict[str, float]:
            return self._repeats(blank, code)

        stage = self._stage("code", holder, steps, 2e-2, 1, loss, check)
        curve = run_stage(stage, self.train, self.directory)
        with torch.no_grad():
            self.model.connector.table[0] = blank
            self.model.connector.table[1:] = code
        return curve

    def _repeats(self, blank: Tensor, vectors: Tensor) -> dict[str, float]:
        """KL while repeating held-out sentences whose words stand where they are said."""
        batch = self.test[:12]
        with torch.no_grad():
            value = self._divergence(batch, self._placed(batch, blank, vectors), PROMPTS[0])
        return {"test_kl_repeat": float(value)}

    def learn_sound(self, steps: int) -> list[dict[str, float]]:
        """Third stage. Only the residual moves."""
        connector = self.model.connector

        def loss(batch: list[int], step: int) -> tuple[Tensor, dict[str, float]]:
            chosen = self._draw(batch)
            embedded, there, logged, sides = self._embed(chosen)
            frames, _ = pad([a.example.states for a in chosen])
            before = self.backbone.encode(self._prompt(step).before, start=True)
            with torch.no_grad():
                with torch.autocast("cpu", torch.bfloat16):
                    words = connector.words(connector.trunk(frames.float(), there))
                wanted = _scaled(self._first_block(before, words))
            found = _scaled(self._first_block(before, embedded))
            matched = (found - wanted).square().mean(-1)[there].mean()
            return matched + sides, logged | {"matched": float(matched.detach())}

        connector.table.requires_grad_(False)
        stage = self._stage("sound", self.model, steps, 1e-3, 24, loss, self._check)
        curve = run_stage(stage, self.train, self.directory)
        connector.table.requires_grad_(True)
        return curve

    def close_loop(self, steps: int) -> list[dict[str, float]]:
        """Fourth stage."""

        def loss(batch: list[int], step: int) -> tuple[Tensor, dict[str, float]]:
            chosen = self._draw(batch)
            embedded, there, logged, sides = self._embed(chosen)
            states = [row[here] for row, here in zip(embedded, there, strict=True)]
            value = self._divergence(chosen, states, self._prompt(step))
            return value + sides, logged | {"kl": float(value.detach())}

        stage = self._stage("loop", self.model, steps, 4e-4, 12, loss, self._check)
        return run_stage(stage, self.train, self.directory)

    def _stage(
        self, name: str, module: nn.Module, steps: int, rate: float, batch: int, loss: Loss, check: Check
    ) -> Stage:
        return Stage(name, module, steps, rate, batch, self.seed, loss, check, warm=30, check_every=100)

    def _first_block(self, before: Sequence[int], inputs: Tensor) -> Tensor:
        past = self.backbone.cache(before, len(inputs))
        hidden: Tensor = self.short(
            inputs_embeds=inputs.to(self.table.dtype), past_key_values=past, use_cache=True
        ).last_hidden_state
        return hidden.float()

    def _embed(self, batch: Sequence[_Aligned]) -> tuple[Tensor, Tensor, dict[str, float], Tensor]:
        """Embeddings, what is there, figures, and the side losses: the door kept shut, the sound kept in."""
        frames, there = pad([a.example.states for a in batch])
        with torch.autocast("cpu", torch.bfloat16):
            embedded = self.model.connector.embed(frames.float(), there)
        embedded = embedded.float()
        near = pad_sequence([_nearest(a) for a in batch], batch_first=True)
        door = functional.relu(self._nearness(embedded, near - 1))[there].mean()
        sound = pad_sequence([a.example.sound for a in batch], batch_first=True)[:, : embedded.shape[1]]
        level = (sound[..., 0] + 45.0) / 15.0
        pitch = (sound[..., 1] - 7.1) / 0.5
        voiced = there & (sound[..., 2] > 0)
        # In units of the embeddings' own spread, or the heads would have to start at large weights.
        read = self.model.level_pitch(embedded * 8.0)
        mean = torch.stack([row[here].mean(0) for row, here in zip(embedded, there, strict=True)])
        who = functional.cross_entropy(self.model.voice(mean * 8.0), torch.tensor([a.voice for a in batch]))
        heard = (read[..., 0] - level)[there].square().mean()
        tone = (read[..., 1] - pitch)[voiced].square().mean()
        logged = {
            name: float(value.detach())
            for name, value in (("door", door), ("level", heard), ("pitch", tone), ("voice", who))
        }

        return embedded, there, logged, door + SOUND * (0.1 * heard + 0.2 * tone + 0.1 * who)

    def _nearness(self, states: Tensor, entries: Tensor) -> Tensor:
        """Cosine of states with the embeddings of head entries (blank not counted), both about the embeddings' mean."""
        centre = self.embeddings.mean(0)
        return functional.cosine_similarity(states - centre, self.embeddings[entries] - centre, dim=-1)

    def _check(self) -> dict[str, float]:
        found: dict[str, list[float]] = {}
        with torch.no_grad():
            for start in range(0, len(self.test), 12):
                batch = self.test[start : start + 12]
                embedded, there, logged, _ = self._embed(batch)
                states = [row[here] for row, here in zip(embedded, there, strict=True)]
                logged["kl_repeat"] = float(self._divergence(batch, states, PROMPTS[0]))
                for key, value in logged.items():
                    found.setdefault(f"test_{key}", []).append(value)
        return {key: sum(values) / len(values) for key, values in found.items()}


def _nearest(a: _Aligned) -> Tensor:
    """The token entry nearest to each position."""
    places = torch.arange(positions(a.example.states))
    return a.entries[(places[:, None] - a.spots[None]).abs().argmin(1)]


def _scaled(states: Tensor) -> Tensor:
    return states / states.square().mean(-1, keepdim=True).sqrt()
