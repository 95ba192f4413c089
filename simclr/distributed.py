"""Several processes that train one network together: `torchrun --nproc-per-node N -m workflow run`.

Every rank holds all weights and its part of each batch. What couples the images of a batch is
computed over all ranks, with gradients (`gather`): the negatives of the loss and the statistics of
batch normalization. So N ranks compute what one would on the whole batch, up to rounding.
A single process is rank 0 of 1 and communicates nothing.
"""

import contextlib
import datetime
import os

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor
from torch.distributed.nn.functional import all_reduce

from simclr.config import ConfigError, one_line

RANK_SECONDS = "SIMCLR_RANK_SECONDS"  # environment: how long a rank waits for the others; else 600
IDLE = datetime.timedelta(days=30)  # how long ranks wait in `broadcast` while only rank 0 works
_idle_groups = []  # the process group that `broadcast` uses, while there is one


def size() -> int:
    """Number of processes."""
    return dist.get_world_size() if dist.is_initialized() else 1


def rank() -> int:
    """Number of this process, from 0."""
    return dist.get_rank() if dist.is_initialized() else 0


@contextlib.contextmanager
def process_group(device: str):
    """Join the other processes if torchrun started several, and leave them at the end.

    Raises ConfigError if another rank died or does not answer in time.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) == 1 or dist.is_initialized():
        yield
        return
    backend = "nccl" if device == "cuda" else "gloo"
    seconds = float(os.environ.get(RANK_SECONDS, "600"))
    try:
        if device == "cuda":  # NCCL sends from the current device
            torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))
        dist.init_process_group(backend, timeout=datetime.timedelta(seconds=seconds))
        _idle_groups.append(dist.new_group(backend="gloo", timeout=IDLE))
        yield
        broadcast(0)
    except (dist.DistError, RuntimeError) as error:
        if not _is_connection(error):
            raise
        raise ConfigError(
            f"rank {os.environ.get('RANK')}: another rank stopped, or did not answer for "
            f"{seconds:g} s ({one_line(error)[:120]}); run the same command to go on from the last "
            "checkpoint."
        ) from None
    finally:
        _idle_groups.clear()
        if dist.is_initialized():
            dist.destroy_process_group()


def _is_connection(error: Exception) -> bool:
    """Whether an error comes from the connection to other ranks, and not from our code."""
    text = str(error)
    return isinstance(error, dist.DistError) or any(
        word in text for word in ("gloo", "Gloo", "NCCL", "Connection", "Timed out", "timed out")
    )


def broadcast(value: int) -> int:
    """Broadcast rank 0's value; other ranks may wait for hours."""
    message = torch.tensor([value])
    dist.broadcast(message, 0, group=_idle_groups[0])
    return int(message)


def local_slice(count: int) -> slice:
    """Return this rank's part of `count` items; parts differ by one at most."""
    part, rest = divmod(count, size())
    start = rank() * part + min(rank(), rest)
    return slice(start, start + part + (rank() < rest))


def gather(x: Tensor, count: int) -> Tensor:
    """Concatenate the rows of all ranks, [count, ...], with gradients.

    x: this rank's rows, those of `local_slice(count)`. Parts may differ in length, so each is
    padded with zeros to `count` rows, and these are summed over ranks.
    """
    if size() == 1:
        return x
    rows = local_slice(count)
    padding = [0, 0] * (x.ndim - 1) + [rows.start, count - rows.stop]
    return all_reduce(F.pad(x, padding))


@torch.no_grad()
def sum_over(tensors: list[Tensor]) -> None:
    """Replace every tensor by its sum over all ranks, in one message."""
    if size() == 1:
        return
    message = torch.cat([x.flatten() for x in tensors])
    dist.all_reduce(message)
    for x, part in zip(tensors, message.split([x.numel() for x in tensors]), strict=True):
        x.copy_(part.view_as(x))
