"""Settings of all stages that train an encoder: views, networks, loss, optimizer."""

from dataclasses import dataclass

from simclr.config import option
from simclr.resnet_shapes import BLOCKS

OPERATORS = (  # each is a class in simclr/augment/operators.py
    "crop",  # random crop and resize (paper A)
    "flip",  # left-right, p = 0.5
    "color",  # jitter p = 0.8, then grayscale p = 0.2 (paper A)
    "blur",  # Gaussian (paper A)
    "cutout",  # a square of half the side, filled with the image's mean
    "sobel",  # per-channel Sobel edges, rescaled to [0, 1]
    "noise",  # additive Gaussian
    "rotate",  # by 90, 180 or 270 degrees
    "autoaugment",  # the supervised policy (Table 1)
    "broad",  # Sobel, equalize, solarize, motion blur, each sometimes (paper B.2)
)
DEPTHS = tuple(BLOCKS)


@dataclass(frozen=True)
class Views:
    """How a view is made: operators in order, each drawn per image (paper 2.1, A, Fig. 5)."""

    operators: tuple[str, ...] = option(("crop", "flip", "color", "blur"), choices=OPERATORS)
    asymmetric: bool = option(False)  # Fig. 5: the second view is the image itself
    base_crop: bool = option(False)  # Fig. 5: one random crop first, shared by both views
    min_area: float = option(0.08, above=0.0, high=1.0)  # of `crop`; never below 0.1
    color_strength: float = option(1.0, low=0.0, high=2.0)  # s of paper A; 0.5 on CIFAR-10
    brightness: str = option("additive", choices=("additive", "multiplicative"))
    blur_probability: float = option(0.5, low=0.0, high=1.0)
    blur_radius: int = option(0, low=0, high=512)  # taps beside the centre; 0: a tenth of the side
    blur_sigma: str = option("image", choices=("image", "batch"))  # drawn for each; code: batch
    noise_sigma: float = option(0.2, low=0.0, high=1.0)  # sigma ~ U[0, this], pixels in [0, 1]
    gate: float = option(1.0, above=0.0, high=1.0)  # probability of `noise`, and of `sobel`
    policy: str = option("cifar10", choices=("cifar10", "imagenet"))  # of `autoaugment`

    def check(self):
        is_twice = len(set(self.operators)) < len(self.operators)
        return "operators: name each at most once." if is_twice else None


@dataclass(frozen=True)
class Encoder:
    """A ResNet v1.5 f(.); depths 8, 14 and 20 have three groups of blocks, the others four."""

    depth: int = option(50, choices=DEPTHS)
    width: int = option(1, choices=(1, 2, 4))  # multiplies every group and the stem
    base_channels: int = option(64, low=4, high=1024)  # of the stem at width 1; 64 in the paper
    stem: str = option("imagenet", choices=("imagenet", "cifar"))


@dataclass(frozen=True)
class Head:
    """The projection head g(.) (paper 4.2); hidden dimension = dim(h)."""

    kind: str = option("nonlinear", choices=("none", "linear", "nonlinear"))
    out_dim: int = option(128, low=0, high=65536)  # 0 with kind `none`, where z = h
    batch_norm: bool = option(True)  # as in the authors' code; the paper's formula has none

    def check(self):
        text = "out_dim: must be 0 with kind 'none', and at least 1 with a head."
        return text if (self.kind == "none") != (self.out_dim == 0) else None


@dataclass(frozen=True)
class Loss:
    """NT-Xent (paper eq. 1), or another loss of Table 2."""

    kind: str = option("nt_xent", choices=("nt_xent", "nt_logistic", "margin"))
    temperature: float = option(0.1, above=0.0)
    normalize: bool = option(True)  # l2-normalise z (Table 5)
    negatives: str = option("both_views", choices=("both_views", "other_view"))
    margin: float = option(0.4, low=0.0)  # m of `margin`
    semi_hard: bool = option(False)  # of the others: the closest negative beyond the positive

    def check(self):
        if self.kind == "nt_xent" and self.semi_hard:
            return "semi_hard: only for nt_logistic and margin."
        if (self.kind, self.negatives) != ("nt_xent", "both_views") and not self.normalize:
            return "normalize: false only fits nt_xent with negatives of both_views."
        if self.kind != "nt_xent" and self.negatives == "both_views":
            return f"negatives: must be other_view with kind {self.kind} (paper B.10)."
        return None


@dataclass(frozen=True)
class Optimizer:
    """LARS or SGD, warm-up, cosine decay to zero (paper 2.2, B.1)."""

    kind: str = option("lars", choices=("lars", "sgd"))  # sgd: Nesterov
    base_lr: float = option(0.3, above=0.0)
    lr_scaling: str = option("linear", choices=("linear", "sqrt"))  # base*B/256; base*sqrt(B)
    momentum: float = option(0.9, low=0.0, high=0.9999)
    weight_decay: float = option(1e-6, low=0.0)
    warmup_epochs: float = option(10.0, low=0.0)


@dataclass(frozen=True)
class Training:
    """What both stages that train have in common."""

    views: Views = option(Views)
    encoder: Encoder = option(Encoder)
    optimizer: Optimizer = option(Optimizer)
    batch_size: int = option(4096, low=2)  # images; twice as many views a step of `pretrain`
    epochs: int = option(100, low=1)
    seed: int = option(0, low=0)
    weights_seed: int = option(-1, low=-1)  # of the initial weights; -1: `seed`
    device: str = option("cpu", choices=("cpu", "cuda"))
    precision: str = option("float32", choices=("float32", "bfloat16"))
    instruction_set: str = option("avx2", choices=("avx2", "avx512"))  # of the CPU
    recompute: bool = option(False)  # blocks' insides, for their gradient: less memory, more time
    compile: bool = option(False)  # torch.compile, a minute at the start; not of several ranks
    norm_groups: int = option(1, low=1)  # parts of a batch with batch statistics of their own

    def check(self):
        if self.batch_size % self.norm_groups:
            return f"norm_groups: {self.norm_groups} do not divide batch_size {self.batch_size}."
        if self.batch_size < 2 * self.norm_groups:
            return f"norm_groups: {self.norm_groups} leave each less than two images."
        if self.compile and self.recompute:
            return "compile: must be false with recompute; torch refuses both at once."
        warmup = self.optimizer.warmup_epochs
        if warmup >= self.epochs:
            return f"optimizer.warmup_epochs: {warmup:g} leave nothing of {self.epochs} epochs."
        return None


@dataclass(frozen=True)
class Pretrain(Training):
    """Stage `pretrain`: contrastive training of f and g."""

    head: Head = option(Head)
    loss: Loss = option(Loss)
    online: bool = option(False)  # also train a linear classifier on h, without gradient to h
    images: str = option("train", choices=("train", "unlabelled", "both"))

    def check(self):
        if self.online and self.images != "train":
            return "online: needs a label of every image; set `images: train`."
        return super().check()


@dataclass(frozen=True)
class Supervise(Training):
    """Stage `supervise`: the same encoder trained with labels (Table 1, Fig. 7)."""

    epochs: int = option(90, low=1)


@dataclass(frozen=True)
class FineTune(Training):
    """Stage `finetune`: an encoder, or a new one, trained with some of the labels (paper B.5)."""

    labels: float = option(1.0, above=0.0, high=1.0)  # share of the training images, by class
    epochs: int = option(30, low=1)
    subset: str = option("", keyed=False)  # or a list of image names, relative to data/raw
    subset_sha256: str = option("")  # of this file

    def check(self):
        if bool(self.subset) != bool(self.subset_sha256):
            return "subset, subset_sha256: give both (`sha256sum` prints the second), or none."
        return super().check()
