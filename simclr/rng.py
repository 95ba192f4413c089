"""The only source of random numbers: a CPU generator for each purpose, epoch and step."""

import hashlib

import torch


def generator(seed: int, purpose: str, epoch: int = 0, step: int = 0) -> torch.Generator:
    """Return a CPU generator for one purpose ("weights", "order", "views") at one step."""
    digest = hashlib.sha256(f"{seed} {purpose} {epoch} {step}".encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:8], "big") >> 1)
