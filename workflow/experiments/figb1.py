"""Figure B.1: the runs of Figure 9, by top-5 accuracy (paper B.1)."""

from workflow.experiments import fig9

NUMBER = "Figure B.1"
TITLE = "batch size and training epochs, top-5"
KIND, ORDER = "appendix figure", 1
PAPER = ()
CLAIMS = ()
LABELS = fig9.LABELS
CAPTION = (
    "Linear evaluation, top-5 accuracy, over the length of pre-training, for several batch sizes, "
    "with linear scaling of the learning rate: the runs of Figure 9."
)
runs = fig9.runs


def draw(table, paper):
    """Accuracy over epochs, one line per batch size."""
    from workflow.figures import contrasts, plotting

    y = "linear evaluation, top-5 accuracy (%)"
    figure, ours, theirs = plotting.side_by_side(height=4.0, x="training epochs", y=y)
    fig9.panel(ours, contrasts.summary(table, ["batch", "epochs"], "linear_top5_h"))
    low, high = ours.get_ylim()
    if high - low < 4:  # nearly perfect, where there are few classes
        ours.set_ylim((low + high) / 2 - 2, (low + high) / 2 + 2)
    plotting.no_numbers(
        theirs, "The paper's bars rise with both,\nas in Figure 9; it gives no numbers."
    )
    plotting.legend(figure, [ours], "left", "batch size", 3)
    return figure
