"""Speech LLMs: an audio encoder, a connector and a causal LM, described by adapters that are data."""
