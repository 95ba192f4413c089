"""Settings of the stages that measure: evaluations, histograms, maps, examples."""

from dataclasses import dataclass

from simclr.config import option
from simclr.settings.training import Views

TASKS = ("gray", "rotation", "noise", "sobel")  # transformations that are to be told


@dataclass(frozen=True)
class OnEncoder:
    """What all stages that look at a frozen encoder have in common."""

    device: str = option("cpu", choices=("cpu", "cuda"))
    instruction_set: str = option("avx2", choices=("avx2", "avx512"))  # of the CPU
    seed: int = option(0, low=0)


@dataclass(frozen=True)
class Evaluate(OnEncoder):
    """Stage `evaluate`: a linear classifier on the frozen encoder, on h and on z, and kNN."""

    protocols: tuple[str, ...] = option(("features",), choices=("features", "augmented"))
    # features: h of the plain images, extracted once; augmented: crop and flip (paper B.5, B.6)
    labels: float = option(1.0, above=0.0, high=1.0)  # share of the training images, by class
    solver: str = option("sgd", choices=("sgd", "lbfgs"))  # lbfgs: to the optimum, of `features`
    batch_size: int = option(512, low=2)  # this and the next three: of sgd
    epochs: int = option(100, low=1)
    base_lr: float = option(0.1, above=0.0)  # times batch_size / 256
    momentum: float = option(0.9, low=0.0, high=0.9999)
    weight_decay: float = option(0.0, low=0.0)
    neighbours: int = option(20, low=1)  # k of kNN
    knn_images: int = option(0, low=0)  # test images that they vote on, the first ones; 0: all
    knn_temperature: float = option(0.1, low=0.02)  # exp(1 / this) must be finite in float32
    precision: str = option("float32", choices=("float32", "bfloat16"))  # of the frozen networks

    def check(self):
        if not self.protocols or len(set(self.protocols)) < len(self.protocols):
            return "protocols: name one or more, each once."
        if self.solver == "lbfgs" and self.protocols != ("features",):
            return "solver: lbfgs needs features that stay the same; set protocols: [features]."
        return None


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
    """Stage `examples`: some images, changed by each operator (paper Fig. 2 to 4)."""

    views: Views = option(Views)
    images: int = option(6, low=1)  # one of each class, from the first one on
    seed: int = option(0, low=0)


@dataclass(frozen=True)
class Neighbours(OnEncoder):
    """Stage `neighbours`: the training images nearest to some test images, by h and by z."""

    queries: int = option(6, low=1)  # shown, one of each class, from the first one on
    nearest: int = option(5, low=1)
