"""Damaged and hostile input at every door: a right answer or one clear error, and nothing else happens.

`tests/fuzz/test_doors.py` tries a few of each door with every test run; `python -m tests.fuzz --seconds 600` as many
as there is time for.
"""
