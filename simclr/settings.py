"""Every setting of every stage, with its type, range and default: the vocabulary of the project.

Plain declarations and checks, no computation: what a setting does stands in the stage that reads
it. (The resolved values are part of every result's key, so this file itself is not: adding a range
check here recomputes nothing.) Sections of the paper are named where a default comes from it.
"""

from dataclasses import dataclass

from simclr import sources
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
SOURCES = tuple(sources.SOURCES)
TASKS = ("gray", "rotation", "noise", "sobel")  # transformations that are to be told


@dataclass(frozen=True)
class Prepare:
    """Stage `prepare`: a data set, packed. Images are square, uint8, RGB."""

    source: str = option("patterns", choices=SOURCES)
    family: str = option("textures", choices=("textures", "figures"))  # of `patterns`
    file: str = option("", keyed=False)  # archive or directory, relative to data/raw
    sha256: str = option("")  # of its content, as `simclr fingerprint` prints it
    image_size: int = option(32, low=8, high=1024)  # side in pixels after resizing
    view_size: int = option(0, low=0, high=1024)  # of views and test crops; 0: image_size
    fit: str = option("crop", choices=("crop", "stretch"))  # the central square, or all of it
    train_images: int = option(0, low=0)  # 0: all; else a class-balanced subset
    test_images: int = option(0, low=0)
    unlabelled: bool = option(False)  # also the images in unlabelled/, for `images` of Pretrain
    unlabelled_images: int = option(0, low=0)  # 0: all; else some, drawn at random
    seed: int = option(0, low=0)  # of the patterns, or of the choice of the subset
    white_level: int = option(0, low=0, high=65535)  # of gray of 16 bits; 0: see docs/images.md
    max_megapixels: int = option(100, low=1, keyed=False)  # decoded of one image; more: refused

    def check(self):
        if self.view_size and not 8 <= self.view_size <= self.image_size:
            sides = f"8 to image_size ({self.image_size})"
            return f"view_size: must be 0, or from {sides}, got {self.view_size}."
        return sources.SOURCES[self.source].problem(self)


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
    device: str = option("cpu", choices=("cpu", "cuda"))
    precision: str = option("float32", choices=("float32", "bfloat16"))
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
class OnEncoder:
    """What all stages that look at a frozen encoder have in common."""

    device: str = option("cpu", choices=("cpu", "cuda"))
    seed: int = option(0, low=0)


@dataclass(frozen=True)
class Evaluate(OnEncoder):
    """Stage `evaluate`: a linear classifier on the frozen encoder, on h and on z, and kNN."""

    protocols: tuple[str, ...] = option(("features",), choices=("features", "augmented"))
    # features: h of the plain images, extracted once; augmented: crop and flip (paper B.5, B.6)
    labels: float = option(1.0, above=0.0, high=1.0)  # share of the training images, by class
    batch_size: int = option(512, low=2)
    epochs: int = option(100, low=1)
    base_lr: float = option(0.1, above=0.0)  # times batch_size / 256
    momentum: float = option(0.9, low=0.0, high=0.9999)
    weight_decay: float = option(0.0, low=0.0)
    neighbours: int = option(20, low=1)  # k of kNN
    knn_temperature: float = option(0.1, low=0.02)  # exp(1 / this) must be finite in float32
    precision: str = option("float32", choices=("float32", "bfloat16"))  # of the frozen networks

    def check(self):
        is_wrong = not self.protocols or len(set(self.protocols)) < len(self.protocols)
        return "protocols: name one or more, each once." if is_wrong else None


@dataclass(frozen=True)
class Histograms:
    """Stage `histograms`: are crops of one image told apart by colour alone? (Fig. 6)"""

    images: int = option(200, low=2)
    crops: int = option(4, low=2, high=100)
    bins: int = option(32, low=2, high=1024)
    color_strength: float = option(1.0, low=0.0, high=2.0)
    min_area: float = option(0.08, above=0.0, high=1.0)
    seed: int = option(0, low=0)


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


@dataclass(frozen=True)
class Probe(OnEncoder):
    """Stage `probe`: is a transformation seen in h, and in z? (Table 3)"""

    tasks: tuple[str, ...] = option(("gray", "rotation", "noise", "sobel"), choices=TASKS)
    noise_sigma: float = option(0.2, above=0.0, high=1.0)  # sigma ~ U[0, this]
    images: int = option(0, low=0)  # of each split, at most; 0: all (they are held in memory)
    hidden: int = option(256, low=1, high=65536)  # units of the classifier's one hidden layer
    batch_size: int = option(128, low=2)
    epochs: int = option(30, low=1)
    learning_rate: float = option(1e-3, above=0.0)  # of Adam

    def check(self):
        is_wrong = not self.tasks or len(set(self.tasks)) < len(self.tasks)
        return "tasks: name one or more, each once." if is_wrong else None


@dataclass(frozen=True)
class Transfer(OnEncoder):
    """Stage `transfer`: logistic regression on features of another data set (paper B.8.1)."""

    penalties: int = option(45, low=2, high=1000)  # values of l2, log-spaced over the next two
    least: float = option(1e-6, above=0.0)
    most: float = option(1e5, above=0.0)
    validation: float = option(0.2, above=0.0, high=0.5)  # share of the training images

    def check(self):
        return "most: must be more than least." if self.most <= self.least else None


@dataclass(frozen=True)
class Maps(OnEncoder):
    """Stage `maps`: the spectrum of a linear head, and maps of h and z (paper B.4)."""

    classes: int = option(10, low=2)  # on the map, drawn at random if there are more
    images: int = option(500, low=20)  # on the map, at most; of the test images
    perplexity: float = option(30.0, above=1.0)  # of t-SNE

    def check(self):
        if self.images <= self.classes:
            return f"images: must be more than classes, {self.classes}, got {self.images}."
        return None


@dataclass(frozen=True)
class Examples:
    """Stage `examples`: some images, changed by each operator (paper Fig. 4)."""

    views: Views = option(Views)
    images: int = option(6, low=1)  # one of each class, from the first one on
    seed: int = option(0, low=0)


@dataclass(frozen=True)
class Neighbours(OnEncoder):
    """Stage `neighbours`: the training images nearest to some test images, by h and by z."""

    queries: int = option(6, low=1)  # shown, one of each class, from the first one on
    nearest: int = option(5, low=1)
