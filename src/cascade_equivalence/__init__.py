"""cascade-equivalence: is a speech LLM more than the cascade that shares its backbone?"""

__version__ = "0.1.0"
