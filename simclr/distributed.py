"""Several processes that train one network together: `torchrun --nproc-per-node N -m simclr run`.

Every rank holds all weights and a share of each batch. What couples the images of a batch is
computed over all ranks, with gradients (`gather`): the negatives of the loss and the statistics of
batch normalisation. So N ranks compute what one would on the whole batch, up to rounding.
One process alone is rank 0 of 1, and communicates nothing.
"""

import contextlib
import datetime
import os

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor
from torch.distributed.nn.functional import all_reduce

from simclr.config import ConfigError

PATIENCE = "SIMCLR_RANK_SECONDS"  # environment: how long a rank waits for the others; else 600 s
IDLE = datetime.timedelta(days=30)  # how long ranks wait while the first one alone has work
_idle = []  # the group of processes for `told`


def size() -> int:
    """Number of processes."""
    return dist.get_world_size() if dist.is_initialized() else 1


def rank() -> int:
    """Number of this process, from 0."""
    return dist.get_rank() if dist.is_initialized() else 0


@contextlib.contextmanager
def process_group(device: str):
    """Join the other processes, if torchrun started several; leave them at the end.

    Raises ConfigError where another rank died or none answers in time.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) == 1 or dist.is_initialized():
        yield
        return
    backend = "nccl" if device == "cuda" else "gloo"
    seconds = float(os.environ.get(PATIENCE, "600"))
    try:
        if device == "cuda":  # what NCCL sends from
            torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))
        dist.init_process_group(backend, timeout=datetime.timedelta(seconds=seconds))
        _idle.append(dist.new_group(backend="gloo", timeout=IDLE))
        yield
        broadcast(True)
    except (dist.DistError, RuntimeError) as error:
        if not _is_connection(error):
            raise
        reason = " ".join(str(error).split())[:120]
        raise ConfigError(
            f"rank {os.environ.get('RANK')}: another rank stopped, or did not answer for "
            f"{seconds:g} s ({reason}); the same command goes on from the last checkpoint."
        ) from None
    finally:
        _idle.clear()
        if dist.is_initialized():
            dist.destroy_process_group()


def _is_connection(error: Exception) -> bool:
    text = str(error)
    return isinstance(error, dist.DistError) or any(
        word in text for word in ("gloo", "Gloo", "NCCL", "Connection", "Timed out", "timed out")
    )


def broadcast(value: bool) -> bool:
    """The first rank's value, on every rank; it may have work of hours before it tells."""
    values = torch.tensor([value])
    dist.broadcast(values, 0, group=_idle[0])
    return bool(values)


def local_slice(count: int) -> slice:
    """The part of `count` items that is this rank's; parts differ by one at most."""
    part, rest = divmod(count, size())
    start = rank() * part + min(rank(), rest)
    return slice(start, start + part + (rank() < rest))


def gather(x: Tensor, count: int) -> Tensor:
    """Put the rows of all ranks together, [count, ...], with gradients; own rows are `share`'s.

    A sum of parts that are zero elsewhere: shares may differ in length.
    """
    if size() == 1:
        return x
    own = local_slice(count)
    around = [0, 0] * (x.ndim - 1) + [own.start, count - own.stop]
    return all_reduce(F.pad(x, around))


@torch.no_grad()
def sum_over(tensors: list[Tensor]) -> None:
    """Replace every tensor by its sum over all ranks, in one message."""
    if size() == 1:
        return
    line = torch.cat([x.flatten() for x in tensors])
    dist.all_reduce(line)
    for x, part in zip(tensors, line.split([x.numel() for x in tensors]), strict=True):
        x.copy_(part.view_as(x))
