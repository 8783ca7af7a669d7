"""Beam search for the tokens that a CTC head and the LLM find likely together.

score(h) = log p_ctc(h | sound) + PRIOR · log p_llm(h) + PER_TOKEN · |h|, searched token by token with the prefix scores
of Watanabe et al. 2017 (doi 10.1109/JSTSP.2017.2763455, equations 48-52): psi(h) sums the probability of all CTC paths
whose tokens begin with h, so hypotheses of equal length are compared before their end is heard.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from cascade_equivalence.systems.backbone import Backbone

PRIOR = 0.4
"""Weight of the LLM's log-probabilities beside those of the CTC head, chosen on development items."""
PER_TOKEN = 2.0
"""Added for each token, since the LLM alone prefers few. Chosen with `PRIOR`."""
BEAM = 6
BEHIND = 5.0
"""Hypotheses this far behind the best of their clip, in nats, are not followed."""
CANDIDATES = 8
"""Entries that may be heard at each position: the likeliest ones."""
SETTINGS = f"CTC+LLM {PRIOR}/{PER_TOKEN}/{BEAM}/{BEHIND}/{CANDIDATES}"
"""How words are found, in short, for the identity of what finds them."""
_NEVER = -1e9


@dataclass(frozen=True, slots=True)
class _Paths:
    """Log-probabilities of the CTC paths of hypotheses, (clips, beam, time + 1): after so many positions, ending in
    their last token or in a blank.
    """

    token: Tensor
    blank: Tensor

    def any(self) -> Tensor:
        return torch.logaddexp(self.token, self.blank)

    def of(self, clips: Tensor, parents: Tensor) -> _Paths:
        """Those of chosen hypotheses. clips: (clips,); parents: (clips, beam)."""
        return _Paths(self.token[clips[:, None], parents], self.blank[clips[:, None], parents])


def search(log_probs: Sequence[Tensor], tokens: Tensor, llm: Backbone) -> list[list[int]]:
    """The best LLM tokens of each clip.

    log_probs: (time, 1 + vocabulary) of the CTC head for each clip, blank first. tokens: (vocabulary,) the LLM's token
    of each entry after the blank. The LLM reads a hypothesis as a new line of text.
    """
    heard, ids = _candidates([rows.float().cpu() for rows in log_probs], tokens.cpu())
    clips, time, width = heard.shape[0], heard.shape[1], ids.shape[1]
    blank = torch.cat([heard.new_zeros(clips, 1), heard[..., 0].cumsum(-1)], -1)[:, None]
    paths = _Paths(torch.full_like(blank, _NEVER), blank)
    prior = heard.new_zeros(clips, 1)
    last = torch.full((clips, 1), -1)
    found: list[list[list[int]]] = [[[]] for _ in range(clips)]
    best: list[tuple[float, list[int]]] = [(_NEVER, [])] * clips
    active = torch.arange(clips)
    reader = _Reader(llm, clips)
    expected = reader.start(ids)
    for _ in range(time + 1):
        ended = paths.any()[..., -1] + prior
        for place, clip in enumerate(active.tolist()):
            score, at = ended[place].max(0)
            best[clip] = max(best[clip], (float(score), found[place][int(at)]), key=lambda x: x[0])
        scores = _prefix_scores(paths, heard, last) + prior[..., None] + PRIOR * expected + PER_TOKEN
        top = scores.flatten(1).topk(min(BEAM, scores[0].numel()))
        going = torch.tensor([float(top.values[i, 0]) > best[clip][0] for i, clip in enumerate(active.tolist())])
        if not going.any():
            break
        kept = going.nonzero()[:, 0]
        values, parents, chosen = top.values[kept], top.indices[kept] // width, top.indices[kept] % width
        alive = values > values[:, :1] - BEHIND
        prior = prior[kept[:, None], parents] + PRIOR * expected[kept[:, None], parents, chosen] + PER_TOKEN
        prior = prior.masked_fill(~alive, _NEVER)
        heard, ids, active = heard[kept], ids[kept], active[kept]
        words = ids.gather(1, chosen)
        found = [
            [[*found[old][parent], token] for parent, token in zip(parents[i].tolist(), words[i].tolist(), strict=True)]
            for i, old in enumerate(kept.tolist())
        ]
        paths = _extend(paths.of(kept, parents), heard, last[kept[:, None], parents], chosen)
        last = chosen
        expected = reader.go_on(kept, parents, alive, words, ids)
    return [hypothesis for _, hypothesis in best]


def _candidates(log_probs: Sequence[Tensor], tokens: Tensor) -> tuple[Tensor, Tensor]:
    """Log-probabilities of the blank and the entries that each clip may contain, (clips, time, 1 + candidates), and the
    latter's LLM tokens, (clips, candidates). After its end a clip has blanks alone.
    """
    parts, ids = [], []
    for rows in log_probs:
        likely = torch.unique(rows[:, 1:].topk(min(CANDIDATES, rows.shape[1] - 1)).indices)
        parts.append(torch.cat([rows[:, :1], rows[:, 1 + likely]], 1))
        ids.append(tokens[likely].long())
    time, width = max(len(p) for p in parts), max(len(i) for i in ids)
    heard = parts[0].new_full((len(parts), time, 1 + width), _NEVER)
    heard[..., 0] = 0.0
    for i, part in enumerate(parts):
        heard[i, : part.shape[0], : part.shape[1]] = part
    return heard, pad_sequence(ids, batch_first=True)


def _prefix_scores(paths: _Paths, heard: Tensor, last: Tensor) -> Tensor:
    """log psi of each hypothesis and each candidate after it, (clips, beam, candidates)."""
    odds = heard[..., 1:].exp()

    def begun(before: Tensor) -> tuple[Tensor, Tensor]:
        peak = before.amax(-1, keepdim=True)
        return (before - peak).exp(), peak

    weights, peak = begun(paths.any()[..., :-1])
    scores = (weights @ odds).clamp_min(1e-30).log() + peak
    # The same token again needs a blank between.
    weights, peak = begun(paths.blank[..., :-1])
    again = last.clamp_min(0)[..., None]
    repeated = (weights * odds.transpose(1, 2).gather(1, again.expand(-1, -1, odds.shape[1]))).sum(-1, keepdim=True)
    repeated = repeated.clamp_min(1e-30).log() + peak
    return scores.scatter(-1, again, torch.where(last[..., None] < 0, scores.gather(-1, again), repeated))


def _extend(paths: _Paths, heard: Tensor, last: Tensor, chosen: Tensor) -> _Paths:
    """The paths after one more token each. last: of the hypotheses before; chosen: candidates, (clips, beam)."""
    emitted = heard[..., 1:].transpose(1, 2).gather(1, chosen[..., None].expand(-1, -1, heard.shape[1]))
    silent = heard[:, None, :, 0]
    before = torch.where((chosen == last)[..., None], paths.blank, paths.any())
    token, blank = [torch.full_like(before[..., 0], _NEVER)], [torch.full_like(before[..., 0], _NEVER)]
    for t in range(heard.shape[1]):
        blank.append(torch.logaddexp(token[t], blank[t]) + silent[..., t])
        token.append(torch.logaddexp(token[t], before[..., t]) + emitted[..., t])
    return _Paths(torch.stack(token, -1), torch.stack(blank, -1))


class _Reader:
    """The LLM beside the search: its log-probabilities of the next token, for the hypotheses alive."""

    def __init__(self, llm: Backbone, clips: int) -> None:
        from transformers import DynamicCache

        self._llm = llm
        self._cache = DynamicCache()
        self._rows = torch.arange(clips)[:, None]

    def start(self, ids: Tensor) -> Tensor:
        """Of candidates `ids` (clips, candidates) at the beginning of a line: (clips, 1, candidates)."""
        line = self._llm.encode("\n", start=True)
        return self._forward(torch.tensor([line] * len(ids))).gather(1, ids)[:, None]

    def go_on(self, kept: Tensor, parents: Tensor, alive: Tensor, words: Tensor, ids: Tensor) -> Tensor:
        """Go on with hypotheses `parents` (clips, beam) of clips `kept` by one token each; the dead are not read."""
        rows = self._rows[kept[:, None], parents][alive]
        self._cache.reorder_cache(rows.to(self._llm.device))
        logits = self._forward(words[alive][:, None])
        self._rows = torch.zeros(alive.shape, dtype=torch.long)
        self._rows[alive] = torch.arange(len(rows))
        expected = logits.new_full((*alive.shape, ids.shape[1]), _NEVER)
        expected[alive] = logits.gather(1, ids[:, None].expand(-1, alive.shape[1], -1)[alive])
        return expected

    def _forward(self, words: Tensor) -> Tensor:
        out = self._llm.model(words.to(self._llm.device), past_key_values=self._cache, use_cache=True, logits_to_keep=1)
        expected: Tensor = out.logits[:, -1].float().log_softmax(-1).cpu()
        return expected
