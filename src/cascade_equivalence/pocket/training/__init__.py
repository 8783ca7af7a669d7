"""How the pocket speech LLMs were trained: sentences, speech, features, and one command per model.

`python -m cascade_equivalence.pocket.training data --work DIR`, then `pocket-ctc`, then `pocket-frames`; each goes on
where it was.
"""
