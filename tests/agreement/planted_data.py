"""Synthetic arms with known properties, shared by the tests of the agreement room."""

import numpy as np


def flip(rng, labels, rate, classes):
    """Replace a share of labels by another one."""
    moved = (labels + rng.integers(1, classes, size=len(labels))) % classes
    return np.where(rng.random(len(labels)) < rate, moved, labels)


def arms(seed, n=1050, classes=4, accuracy=0.85, flipped=0.05, invalid=0.0):
    """gold, left, right: right is left with `flipped` of its labels changed."""
    rng = np.random.default_rng(seed)
    gold = rng.integers(classes, size=n)
    left = flip(rng, gold, 1 - accuracy, classes)
    right = flip(rng, left, flipped, classes)
    left = np.where(rng.random(n) < invalid, -1, left)
    right = np.where(rng.random(n) < invalid, -1, right)
    return gold, left, right
