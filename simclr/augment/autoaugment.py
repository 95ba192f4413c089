"""AutoAugment (Cubuk et al., CVPR 2019): the policies learned with labels, for Table 1.

The sub-policies and their operations are torchvision's, whose exact version is pinned. Its own
transform draws one sub-policy for a whole batch. Here our generator draws one for every image, and
images that get the same operation with the same magnitude are transformed together. What an affine
operation uncovers becomes gray (128), as in the policy's ImageNet code.

Import this only where it is used: torchvision takes a second to import.
"""

import functools

import torch
from torch import Generator, Tensor
from torchvision.transforms import AutoAugment, AutoAugmentPolicy, autoaugment
from torchvision.transforms.v2.functional import equalize

FILL = [128.0, 128.0, 128.0]


@functools.cache
def _policy(name: str) -> AutoAugment:
    return AutoAugment(AutoAugmentPolicy(name), fill=FILL)


def draw(policy: str, shape: tuple[int, int], generator: Generator) -> Tensor:
    """Draw a sub-policy for each image: int64 [*shape, 2], the codes of its two operations.

    A code is 2 * (2 * sub-policy + step) + sign, where step is 0 for the first of its operations
    and 1 for the second; or -1, if the operation's own probability leaves it out.
    """
    policies = _policy(policy).policies
    probability = torch.tensor([[operation[1] for operation in pair] for pair in policies])
    sub_policy = torch.randint(len(policies), shape, generator=generator)
    happens = torch.rand(*shape, 2, generator=generator) < probability[sub_policy]
    sign = torch.randint(2, (*shape, 2), generator=generator)
    code = 2 * (2 * sub_policy[..., None] + torch.arange(2)) + sign
    return torch.where(happens, code, -1)


def apply(x: Tensor, codes: Tensor, policy: str) -> Tensor:
    """Apply drawn codes int64 [n, 2] (on the CPU) to images float32 [n, 3, S, S] in [0, 1].

    The operations are defined on bytes, so images are rounded to bytes first. Returns float32.
    """
    transform = _policy(policy)
    space = transform._augmentation_space(10, tuple(x.shape[2:]))
    pixels = (x * 255).round_().to(torch.uint8)
    for step in range(2):
        members = {}  # operation and magnitude -> indices of images
        for index, code in enumerate(codes[:, step].tolist()):
            if code >= 0:
                members.setdefault(_operation(transform, space, code), []).append(index)
        for (name, magnitude), indices in members.items():
            chosen = torch.tensor(indices).to(x.device, non_blocking=True)
            if name == "Equalize":  # same bits; `_apply_op` uses a kernel not deterministic on GPUs
                pixels[chosen] = equalize(pixels[chosen])
            else:
                pixels[chosen] = autoaugment._apply_op(
                    pixels[chosen], name, magnitude, transform.interpolation, transform.fill
                )
    return x.copy_(pixels).div_(255)


def _operation(transform: AutoAugment, space: dict, code: int) -> tuple[str, float]:
    """Return name and signed magnitude of the operation that a code stands for."""
    name, _, level = transform.policies[code // 4][code // 2 % 2]
    magnitudes, signed = space[name]
    magnitude = 0.0 if level is None else float(magnitudes[level])
    return name, -magnitude if signed and code % 2 == 0 else magnitude
