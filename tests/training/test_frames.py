"""All stages, short, on the real LLM and on random encoder states."""

from pathlib import Path

import pytest
import torch
from training.ctc import train_ctc
from training.features import Example
from training.frames import Steps, train_frames

from cascade_equivalence.systems.backbone import Backbone
from cascade_equivalence.systems.loading import Placement
from cascade_equivalence.systems.speech.checkpoint import fill, read_tensors
from cascade_equivalence.systems.speech.pocket import FrameConnector, pad
from cascade_equivalence.systems.speech.pocket_checkpoint import unpack
from cascade_equivalence.tasks.sentences import own_sentences
from tests.models import directory


@pytest.mark.slow
def test_a_training_hides_the_tokens_keeps_the_trunk_and_reads_back_alike(tmp_path: Path) -> None:
    llm = Backbone.load("smollm2-135m", directory("smollm2-135m"), Placement("cpu", "bfloat16", 8))
    llm.model.set_attn_implementation("eager")
    torch.manual_seed(0)
    examples = [
        Example(text, "flite:slt", torch.randn(160, 16).bfloat16(), torch.rand(40, 3)) for text in own_sentences()[:150]
    ]
    ctc = train_ctc(examples, llm.tokenizer, 576, lambda rows: torch.randn(len(rows), 400), 2, 2, 0, tmp_path)

    def train() -> FrameConnector:
        return train_frames(examples, llm, ctc, Steps(1, 120, 1, 1), 0, tmp_path)

    trained = train()
    table = llm.model.get_input_embeddings().weight.float()
    tokens = table[ctc.tokens.long()]
    apart = torch.nn.functional.cosine_similarity(trained.table[1:] - tokens.mean(0), tokens - tokens.mean(0))
    assert float(apart.detach().mean()) < 0.1, "the vectors have left the embeddings of their tokens"
    assert read_by_first_block(llm, trained.table[1:].detach(), tokens) > 0.8
    assert read_by_first_block(llm, torch.randn_like(tokens) * tokens.std(), tokens) < 0.1
    assert all(torch.equal(a, b) for a, b in zip(trained.trunk.parameters(), ctc.trunk.parameters(), strict=True))

    shipped = FrameConnector(trained.config).eval()
    fill(shipped, unpack(read_tensors([tmp_path / "pocket-frames" / "model.safetensors"])), "what was shipped")
    frames, there = pad([e.states.float() for e in examples[:4]])
    with torch.inference_mode():
        wanted, found = trained.embed(frames, there), shipped.embed(frames, there)
    assert float((found - wanted).norm() / wanted.norm()) < 0.02
    again = train()
    assert all(torch.equal(a, b) for a, b in zip(trained.parameters(), again.parameters(), strict=True))


def read_by_first_block(llm: Backbone, vectors: torch.Tensor, tokens: torch.Tensor) -> float:
    """Share of vectors, each alone, that the first block turns into what is nearest to what their token becomes."""
    states = []
    handle = llm.model.model.layers[0].register_forward_hook(lambda _, __, out: states.append(out))
    with torch.inference_mode():
        for rows in (vectors, tokens):
            llm.model.model(inputs_embeds=rows[:, None].to(llm.model.dtype))
    handle.remove()
    found, wanted = (
        torch.nn.functional.normalize((s[0] if isinstance(s, tuple) else s)[:, 0].float(), dim=-1) for s in states
    )
    return float(((found @ wanted.T).argmax(1) == torch.arange(len(tokens))).float().mean())
