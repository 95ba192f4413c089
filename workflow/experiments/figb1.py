"""Figure B.1: the runs of Figure 9, by top-5 accuracy (paper B.1)."""

from workflow.experiments import fig9

TITLE = "Figure B.1: batch size and training epochs, top-5"
PAPER = ()
CLAIMS = ()
LABELS = fig9.LABELS
CAPTION = (
    "Linear evaluation, top-5 accuracy, over the length of pre-training, for several batch sizes, "
    "with linear scaling of the learning rate: the runs of Figure 9."
)
settings = fig9.settings


def draw(table, paper):
    """Accuracy over epochs, one line per batch size."""
    from workflow.figures import contrasts, plotting

    figure, (axes,) = plotting.panels(1, 2, height=4.0)
    rows = contrasts.summary(table, ["batch", "epochs"], "linear_top5_h")
    fig9.panel(axes[0], rows, plotting)
    low, high = axes[0].get_ylim()
    if high - low < 4:  # all but perfect, where there are few classes
        axes[0].set_ylim((low + high) / 2 - 2, (low + high) / 2 + 2)
    axes[0].set_title(plotting.OURS)
    axes[0].set_xlabel("training epochs")
    axes[0].set_ylabel("linear evaluation, top-5 accuracy (%)")
    plotting.no_numbers(
        axes[1], "The paper's bars rise with both,\nas in Figure 9; it gives no numbers."
    )
    axes[1].set_title(plotting.PAPER)
    plotting.legend(figure, axes[:1], "left", "batch size", 3)
    return figure


def claims(table) -> list:
    """None of its own: see Figure 9."""
    return []
