"""Commands that are killed, run out of disk or meet damage, and go on: `python -m tests.crash --kills 100`."""
