"""Every stage, declared once: its settings, its module, what it measures, what it costs.

All lists of stages and metrics follow from these declarations: what is trained, what is published,
what DVC records (dvc.yaml; a test compares), which columns the pages show. Declarations only, as in
settings/: they are no part of a key, and they import neither torch nor a stage's module.
"""

from collections.abc import Callable
from dataclasses import dataclass

from simclr.needs import Need
from simclr.settings import data, measuring, training

EVALUATION = "evaluate"  # the stage that measures every encoder


@dataclass(frozen=True)
class Metric:
    """A number in a result's metrics.json: its name there, its label on the pages, its unit."""

    name: str
    label: str
    unit: str = "%"
    headline: bool = False  # the one number of a run, where only one is shown

    @property
    def heading(self) -> str:
        """Label and unit, e.g. `kNN on h (%)`."""
        return f"{self.label} ({self.unit})" if self.unit else self.label


@dataclass(frozen=True)
class Stage:
    """A stage of the workflow.

    name: of its results' folder; settings: their class; module: dotted, its `run` computes a
    result; kind: of a result: `data`, `encoder`, `measurement` (metrics.json) or `figure`.
    seconds(settings, work): expected duration (see workflow.planning.cost.Work).
    needs(settings, counts): what it needs of a data set at least, as a list of needs.Need; counts:
    needs.Counts of the set. Planning refuses a set that has less.
    """

    name: str
    settings: type
    module: str
    kind: str
    seconds: Callable
    trains: bool = False  # several processes can share the work
    views: int = 1  # of each image of a batch, in training
    metrics: tuple[Metric, ...] = ()  # shown on the pages, in this order
    files: tuple[str, ...] = ()  # that every result has
    shared_csv: tuple[str, ...] = ()  # published beside the metrics, because figures show them
    own_module: Callable | None = None  # settings -> another module that computes a part
    # Memory for images: a `few`, those trained on (`train`), or `both` splits; how many copies of
    # a split exist at a time; whether images are held as floats beside their bytes.
    reads: str = "both"
    copies: int = 1
    as_floats: bool = False
    needs: Callable = lambda settings, counts: []
    feature_bytes: int = 8  # of a feature of an image; 16: in float64, and a part of it

    def modules(self, chosen) -> tuple[str, ...]:
        """Return the modules whose code computes a result with the settings `chosen`."""
        return (self.module, *([self.own_module(chosen)] if self.own_module else []))


def _batch(s, there: int | None, what: str = "training images") -> Need:
    return Need("batch_size", s.batch_size, there, what)


def _classes(n) -> list[Need]:
    return [Need("", 2, n.classes, "classes")]


def _on_a_map(s, n) -> list[Need]:
    """A silhouette needs two images of some class, whichever classes are drawn."""
    drawn = min(s.classes, n.classes or s.classes)
    return [Need("", drawn + 1, n.fewest_test(drawn), f"test images of any {drawn} classes")]


DECLARED = (
    Stage(
        name="prepare",
        settings=data.Prepare,
        module="simclr.stages.prepare",
        own_module=lambda s: f"simclr.data.sources.{s.source}",
        kind="data",
        seconds=lambda s, work: work.reading(),
        files=("data.json", "data_card.md", "contact_sheet.png"),
    ),
    Stage(
        name="pretrain",
        settings=training.Pretrain,
        module="simclr.stages.pretrain",
        kind="encoder",
        trains=True,
        views=2,
        seconds=lambda s, work: work.training(s, views=2),
        needs=lambda s, n: [
            _batch(s, n.trained_on(s.images), "training images"),
            *_classes(n)[: s.online],
        ],
        metrics=(
            Metric("contrastive_accuracy", "contrastive accuracy"),
            Metric("contrastive_entropy", "contrastive entropy", "nats"),
            Metric("online_h", "online classifier"),
        ),
        files=("encoder.safetensors",),
        reads="train",
    ),
    Stage(
        name="supervise",
        settings=training.Supervise,
        module="simclr.stages.supervise",
        kind="encoder",
        trains=True,
        seconds=lambda s, work: 0.1 + work.training(s) + work.testing(),
        needs=lambda s, n: [_batch(s, n.train), *_classes(n)],
        metrics=(Metric("supervised_top1", "supervised", headline=True),),
        files=("encoder.safetensors",),
    ),
    Stage(
        name=EVALUATION,
        settings=measuring.Evaluate,
        module="simclr.stages.evaluate",
        kind="measurement",
        seconds=lambda s, work: (
            0.1
            + work.features()
            + s.labels
            * (
                0.2 * work.logistic_regression()  # of h and z: whitened, they converge soon
                if s.solver == "lbfgs"
                else work.linear_steps(s, len(s.protocols))
            )
            + s.labels * ("augmented" in s.protocols) * work.forward_passes(s.epochs)
        ),
        needs=lambda s, n: [
            *[_batch(s, n.share(s.labels))][: s.solver == "sgd"],
            Need("neighbours", s.neighbours, n.share(s.labels), "training images"),
            *_classes(n),
        ],
        metrics=(
            Metric("linear_h", "linear evaluation on h", headline=True),
            Metric("linear_top5_h", "top-5 on h"),
            Metric("linear_z", "on z"),
            Metric("knn_h", "kNN on h"),
        ),
        files=("metrics.json",),
        shared_csv=("curves.csv",),
    ),
    Stage(
        name="histograms",
        settings=measuring.Histograms,
        module="simclr.stages.histograms",
        kind="measurement",
        seconds=lambda s, work: 8.5e-9 * (s.images * s.crops) ** 2 * s.bins,
        needs=lambda s, n: [Need("images", s.images, n.train, "training images")],
        metrics=(
            Metric("retrieval_plain_chi2", "same image, without distortion"),
            Metric("retrieval_distorted_chi2", "with distortion"),
            Metric("retrieval_chance", "chance"),
        ),
        files=("metrics.json",),
        shared_csv=("histograms.csv",),
        reads="few",
    ),
    Stage(
        name="finetune",
        settings=training.FineTune,
        module="simclr.stages.finetune",
        kind="measurement",
        trains=True,
        seconds=lambda s, work: work.training(s, share=s.labels) + work.testing(),
        needs=lambda s, n: [
            # Of a list of names (`subset`) only the list can tell: see planning/checks.py.
            *([] if s.subset else [_batch(s, n.share(s.labels), "images with labels")]),
            *_classes(n),
        ],
        metrics=(Metric("finetune_top1", "fine-tuned", headline=True),),
        files=("metrics.json",),
        shared_csv=("curves.csv",),
        copies=2,  # for a moment, of the images that are chosen
    ),
    Stage(
        name="probe",
        settings=measuring.Probe,
        module="simclr.stages.probe",
        kind="measurement",
        seconds=lambda s, work: (  # a classifier on h and one on z for each task
            work.features(s.images) + work.linear_steps(s, 2 * len(s.tasks), s.images)
        ),
        needs=lambda s, n: [_batch(s, n.train)],
        metrics=tuple(
            Metric(f"probe_{task}_{features}", f"{task} from {features}")
            for task in measuring.TASKS
            for features in ("h", "z")
        ),
        files=("metrics.json",),
        as_floats=True,
    ),
    Stage(
        name="transfer",
        settings=measuring.Transfer,
        module="simclr.stages.transfer",
        kind="measurement",
        seconds=lambda s, work: work.features() + s.penalties * work.regression_to_the_optimum(),
        needs=lambda s, n: [  # one of a class to choose the penalty by, another to fit
            Need("", 2, n.fewest_train(), "training images of every class"),
            *_classes(n),
        ],
        metrics=(Metric("transfer_top1", "logistic regression", headline=True),),
        files=("metrics.json",),
        feature_bytes=16,
    ),
    Stage(
        name="maps",
        settings=measuring.Maps,
        module="simclr.stages.maps",
        kind="measurement",
        seconds=lambda s, work: work.features() + 4e-3 * s.images,  # t-SNE of h and of z
        needs=lambda s, n: [*_on_a_map(s, n), *_classes(n)],
        metrics=(
            Metric("silhouette_h", "silhouette of h", ""),
            Metric("silhouette_z", "silhouette of z", ""),
            Metric("spectrum_rank", "effective rank of W"),
            Metric("spectrum_rank_random", "of a random matrix"),
        ),
        files=("metrics.json",),
        shared_csv=("points.csv", "spectrum.csv"),
        reads="few",
    ),
    Stage(
        name="examples",
        settings=measuring.Examples,
        module="simclr.stages.examples",
        kind="measurement",
        seconds=lambda s, work: 0.01,
        files=("metrics.json",),
        shared_csv=("examples.csv", "crops.csv"),
        reads="few",
    ),
    Stage(
        name="neighbours",
        settings=measuring.Neighbours,
        module="simclr.stages.neighbours",
        kind="measurement",
        seconds=lambda s, work: work.features(),
        needs=lambda s, n: [Need("nearest", s.nearest, n.train, "training images")],
        metrics=(
            Metric("neighbours_h", "neighbours of the class by h"),
            Metric("neighbours_z", "by z"),
        ),
        files=("metrics.json",),
        shared_csv=("neighbours.csv",),
    ),
)
STAGES = {stage.name: stage for stage in DECLARED}


def metrics(stages=DECLARED) -> list[Metric]:
    """Return the metrics of these stages, those of the evaluation first: the order of columns."""
    ordered = sorted(stages, key=lambda stage: stage.name != EVALUATION)  # stable
    return [metric for stage in ordered for metric in stage.metrics]


def headlines() -> list[str]:
    """Return the names of headline metrics, those of the evaluation last.

    A supervised run has both its own accuracy and an evaluation: its own comes first.
    """
    return [metric.name for metric in metrics(DECLARED)[::-1] if metric.headline]
