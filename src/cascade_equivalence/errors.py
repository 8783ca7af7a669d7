"""The errors a user can meet. Each message names the item, file or field, and what to do about it."""

from __future__ import annotations


class CeqError(Exception):
    """Something failed while working. Exit status 1."""

    exit_status = 1


class UsageError(CeqError):
    """What the user wrote (arguments, study file, manifest, prediction file) cannot be used. Exit status 2."""

    exit_status = 2


class AudioError(CeqError):
    """An audio file is missing, unreadable, empty or not finite."""


class ModelError(CeqError):
    """A model is missing, incomplete, does not match its hash or cannot be loaded."""


class RunError(CeqError):
    """A run directory or journal cannot be written or read, or too many answers failed."""


class AnalysisError(CeqError):
    """States, targets, positions or layers that cannot be analysed."""
