"""README and docs: what is shown runs, what is linked exists, what is measured was measured."""
