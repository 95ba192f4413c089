"""Every setting of every stage, with its type, range and default: the vocabulary of the project.

Plain declarations and checks, no computation: what a setting does stands in the stage that reads
it. (The resolved values are part of every result's key, so this file itself is not: adding a range
check here recomputes nothing.) Sections of the paper are named where a default comes from it.
"""

from dataclasses import dataclass

from simclr.config import setting
from simclr.models.resnet_shapes import BLOCKS

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
TASKS = ("gray", "rotation", "noise", "sobel")  # transformations that are to be told


@dataclass(frozen=True)
class Prepare:
    """Stage `prepare`: a data set, packed. Images are square, uint8, RGB."""

    source: str = setting("patterns", choices=("patterns", "cifar10", "folder", "imagenet"))
    family: str = setting("textures", choices=("textures", "figures"))  # of `patterns`
    file: str = setting("")  # archive or directory, relative to data/raw; not in the key
    sha256: str = setting("")  # of its content, as `simclr fingerprint` prints it
    image_size: int = setting(32, low=8, high=1024)  # side in pixels after resizing
    view_size: int = setting(0, low=0, high=1024)  # of views and test crops; 0: image_size
    fit: str = setting("crop", choices=("crop", "stretch"))  # the central square, or all of it
    train_images: int = setting(0, low=0)  # 0: all; else a class-balanced subset
    test_images: int = setting(0, low=0)
    seed: int = setting(0, low=0)  # of the patterns, or of the choice of the subset

    def check(self):
        if self.source in ("folder", "imagenet") and not self.file:
            return f"file: needed with source '{self.source}': its place below data/raw."
        if self.view_size > self.image_size:
            return f"view_size: {self.view_size} is more than image_size, {self.image_size}."
        if self.fit == "stretch" and self.source != "imagenet":
            return "fit: 'stretch' is for source 'imagenet' alone."
        if self.source == "patterns" and not (self.train_images and self.test_images):
            return "train_images, test_images: must be given with source 'patterns'."
        return None


@dataclass(frozen=True)
class Views:
    """How a view is made: operators in order, each drawn per image (paper 2.1, A, Fig. 5)."""

    operators: tuple[str, ...] = setting(("crop", "flip", "color", "blur"), choices=OPERATORS)
    asymmetric: bool = setting(False)  # Fig. 5: the second view is the image itself
    base_crop: bool = setting(False)  # Fig. 5: one random crop first, shared by both views
    min_area: float = setting(0.08, above=0.0, high=1.0)  # of `crop`; never below 0.1
    color_strength: float = setting(1.0, low=0.0, high=2.0)  # s of paper A; 0.5 on CIFAR-10
    brightness: str = setting("additive", choices=("additive", "multiplicative"))
    blur_probability: float = setting(0.5, low=0.0, high=1.0)
    blur_radius: int = setting(0, low=0)  # taps beside the centre; 0: the paper's 10 % of the side
    blur_sigma: str = setting("image", choices=("image", "batch"))  # drawn for each; code: batch
    noise_sigma: float = setting(0.2, low=0.0, high=1.0)  # sigma ~ U[0, this], pixels in [0, 1]
    gate: float = setting(1.0, above=0.0, high=1.0)  # probability of `noise`, and of `sobel`
    policy: str = setting("cifar10", choices=("cifar10", "imagenet"))  # of `autoaugment`

    def check(self):
        if len(set(self.operators)) < len(self.operators):
            return "operators: name each at most once."
        return None


@dataclass(frozen=True)
class Encoder:
    """A ResNet v1.5 f(.); depths 8, 14 and 20 have three groups of blocks, the others four."""

    depth: int = setting(50, choices=DEPTHS)
    width: int = setting(1, choices=(1, 2, 4))  # multiplies every group and the stem
    base_channels: int = setting(64, low=4)  # of the stem at width 1; 64 in the paper
    stem: str = setting("imagenet", choices=("imagenet", "cifar"))


@dataclass(frozen=True)
class Head:
    """The projection head g(.) (paper 4.2); hidden dimension = dim(h)."""

    kind: str = setting("nonlinear", choices=("none", "linear", "nonlinear"))
    out_dim: int = setting(128, low=0)  # 0 with kind `none`, where z = h
    batch_norm: bool = setting(True)  # as in the authors' code; the paper's formula has none

    def check(self):
        if (self.kind == "none") != (self.out_dim == 0):
            return "out_dim: must be 0 with kind 'none', and at least 1 with a head."
        return None


@dataclass(frozen=True)
class Loss:
    """NT-Xent (paper eq. 1), or another loss of Table 2."""

    kind: str = setting("nt_xent", choices=("nt_xent", "nt_logistic", "margin"))
    temperature: float = setting(0.1, above=0.0)
    normalize: bool = setting(True)  # l2-normalise z (Table 5)
    negatives: str = setting("both_views", choices=("both_views", "other_view"))
    margin: float = setting(0.4, low=0.0)  # m of `margin`
    semi_hard: bool = setting(False)  # of the others: the closest negative beyond the positive

    def check(self):
        if self.kind == "nt_xent" and self.semi_hard:
            return "semi_hard: for nt_logistic and margin alone."
        if (self.kind, self.negatives) != ("nt_xent", "both_views") and not self.normalize:
            return "normalize: false is for nt_xent with negatives of both_views alone."
        if self.kind != "nt_xent" and self.negatives == "both_views":
            return f"negatives: must be other_view with kind {self.kind} (paper B.10)."
        return None


@dataclass(frozen=True)
class Optimizer:
    """LARS or SGD, warm-up, cosine decay to zero (paper 2.2, B.1)."""

    kind: str = setting("lars", choices=("lars", "sgd"))  # sgd: Nesterov
    base_lr: float = setting(0.3, above=0.0)
    lr_scaling: str = setting("linear", choices=("linear", "sqrt"))  # base*B/256; base*sqrt(B)
    momentum: float = setting(0.9, low=0.0, high=0.9999)
    weight_decay: float = setting(1e-6, low=0.0)
    warmup_epochs: float = setting(10.0, low=0.0)


@dataclass(frozen=True)
class Training:
    """What both stages that train have in common."""

    views: Views = setting(Views)
    encoder: Encoder = setting(Encoder)
    optimizer: Optimizer = setting(Optimizer)
    batch_size: int = setting(4096, low=2)  # images; twice as many views a step of `pretrain`
    epochs: int = setting(100, low=1)
    seed: int = setting(0, low=0)
    device: str = setting("cpu", choices=("cpu", "cuda"))
    precision: str = setting("float32", choices=("float32", "bfloat16"))
    recompute: bool = setting(False)  # blocks' insides, for their gradient: less memory, more time
    compile: bool = setting(False)  # torch.compile, a minute at the start; not of several ranks
    norm_groups: int = setting(1, low=1)  # parts of a batch with batch statistics of their own

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

    head: Head = setting(Head)
    loss: Loss = setting(Loss)
    online: bool = setting(False)  # also train a linear classifier on h, without gradient to h


@dataclass(frozen=True)
class Supervise(Training):
    """Stage `supervise`: the same encoder trained with labels (Table 1, Fig. 7)."""

    epochs: int = setting(90, low=1)


@dataclass(frozen=True)
class Evaluate:
    """Stage `evaluate`: a linear classifier on the frozen encoder, on h and on z, and kNN."""

    protocols: tuple[str, ...] = setting(("features",), choices=("features", "augmented"))
    # features: h of the plain images, extracted once; augmented: crop and flip (paper B.5, B.6)
    batch_size: int = setting(512, low=2)
    epochs: int = setting(100, low=1)
    base_lr: float = setting(0.1, above=0.0)  # times batch_size / 256
    momentum: float = setting(0.9, low=0.0, high=0.9999)
    weight_decay: float = setting(0.0, low=0.0)
    neighbours: int = setting(20, low=1)  # k of kNN
    knn_temperature: float = setting(0.1, above=0.0)
    device: str = setting("cpu", choices=("cpu", "cuda"))
    precision: str = setting("float32", choices=("float32", "bfloat16"))  # of the frozen networks
    seed: int = setting(0, low=0)

    def check(self):
        if not self.protocols or len(set(self.protocols)) < len(self.protocols):
            return "protocols: name one or more, each once."
        return None


@dataclass(frozen=True)
class Histograms:
    """Stage `histograms`: are crops of one image told apart by colour alone? (Fig. 6)"""

    images: int = setting(200, low=2)
    crops: int = setting(4, low=2)
    bins: int = setting(32, low=2)
    color_strength: float = setting(1.0, low=0.0, high=2.0)
    min_area: float = setting(0.08, above=0.0, high=1.0)
    seed: int = setting(0, low=0)


@dataclass(frozen=True)
class FineTune(Training):
    """Stage `finetune`: an encoder, or a new one, trained with some of the labels (paper B.5)."""

    labels: float = setting(1.0, above=0.0, high=1.0)  # share of the training images, by class
    epochs: int = setting(30, low=1)
    subset: str = setting("")  # or a list of image names, relative to data/raw; not in the key
    subset_sha256: str = setting("")  # of this file

    def check(self):
        if bool(self.subset) != bool(self.subset_sha256):
            return "subset, subset_sha256: give both (`sha256sum` prints the second), or none."
        return super().check()


@dataclass(frozen=True)
class Probe:
    """Stage `probe`: is a transformation seen in h, and in z? (Table 3)"""

    tasks: tuple[str, ...] = setting(("gray", "rotation", "noise", "sobel"), choices=TASKS)
    noise_sigma: float = setting(0.2, above=0.0, high=1.0)  # sigma ~ U[0, this]
    images: int = setting(0, low=0)  # of each split, at most; 0: all (they are held in memory)
    hidden: int = setting(256, low=1)  # units of the classifier's one hidden layer
    batch_size: int = setting(128, low=2)
    epochs: int = setting(30, low=1)
    learning_rate: float = setting(1e-3, above=0.0)  # of Adam
    device: str = setting("cpu", choices=("cpu", "cuda"))
    seed: int = setting(0, low=0)

    def check(self):
        if not self.tasks or len(set(self.tasks)) < len(self.tasks):
            return "tasks: name one or more, each once."
        return None


@dataclass(frozen=True)
class Transfer:
    """Stage `transfer`: logistic regression on features of another data set (paper B.8.1)."""

    penalties: int = setting(45, low=2)  # values of l2, log-spaced over the next two
    least: float = setting(1e-6, above=0.0)
    most: float = setting(1e5, above=0.0)
    validation: float = setting(0.2, above=0.0, high=0.5)  # share of the training images
    device: str = setting("cpu", choices=("cpu", "cuda"))
    seed: int = setting(0, low=0)

    def check(self):
        return "most: must be more than least." if self.most <= self.least else None


@dataclass(frozen=True)
class Maps:
    """Stage `maps`: the spectrum of a linear head, and maps of h and z (paper B.4)."""

    classes: int = setting(10, low=2)  # on the map, drawn at random if there are more
    images: int = setting(500, low=20)  # on the map, at most; of the test images
    perplexity: float = setting(30.0, above=1.0)  # of t-SNE
    device: str = setting("cpu", choices=("cpu", "cuda"))
    seed: int = setting(0, low=0)


@dataclass(frozen=True)
class Examples:
    """Stage `examples`: some images, changed by each operator (paper Fig. 4)."""

    views: Views = setting(Views)
    images: int = setting(6, low=1)  # one of each class, from the first one on
    seed: int = setting(0, low=0)


@dataclass(frozen=True)
class Neighbours:
    """Stage `neighbours`: the training images nearest to some test images, by h and by z."""

    queries: int = setting(6, low=1)  # shown, one of each class, from the first one on
    nearest: int = setting(5, low=1)
    device: str = setting("cpu", choices=("cpu", "cuda"))
    seed: int = setting(0, low=0)  # unused: nothing is random


# Stage -> (its settings, the module whose run() computes it). A stage's inputs are named there.
STAGES = {
    "prepare": (Prepare, "simclr.stages.prepare"),
    "pretrain": (Pretrain, "simclr.stages.pretrain"),
    "supervise": (Supervise, "simclr.stages.supervise"),
    "evaluate": (Evaluate, "simclr.stages.evaluate"),
    "histograms": (Histograms, "simclr.stages.histograms"),
    "finetune": (FineTune, "simclr.stages.finetune"),
    "probe": (Probe, "simclr.stages.probe"),
    "transfer": (Transfer, "simclr.stages.transfer"),
    "maps": (Maps, "simclr.stages.maps"),
    "examples": (Examples, "simclr.stages.examples"),
    "neighbours": (Neighbours, "simclr.stages.neighbours"),
}
