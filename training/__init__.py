"""How the pocket speech LLMs were trained: sentences, speech, features, and one command per model.

`python -m training data --work DIR`, then `pocket-ctc`, then `pocket-frames`; each goes on where it was.
"""
