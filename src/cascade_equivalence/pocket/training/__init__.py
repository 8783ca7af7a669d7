"""How the pocket speech LLMs were trained: sentences, speech, features, and one command per model.

`python -m cascade_equivalence.pocket.training pocket-ctc --work DIR` makes what is missing and goes on where it was.
"""
