"""What a long run says while it works: a line a minute without a terminal, a bar with one."""

import re

from workflow.running import progress, session


def lines(capsys, seconds, monkeypatch, images=1000):
    """Report a training of 240 seconds every 10, from a quarter on (as after a checkpoint)."""
    clock = iter(seconds)
    monkeypatch.setattr(session.time, "monotonic", lambda: next(clock))
    with progress.ProgressBar() as bar:
        bar.start("pretrain fig5.crop.s0", images)
        for step in range(19):
            bar.update(0.25 + step / 24, f"epoch {step + 6} of 24, loss 4.1")
        bar.finish("[ 1/9] pretrain fig5.crop.s0")
    return capsys.readouterr().err.splitlines()


def test_a_line_a_minute_where_nobody_watches(capsys, monkeypatch):
    said = lines(capsys, range(0, 1000, 10), monkeypatch)
    assert len(said) == 3  # after 70 and 140 s, and at the end
    # A quarter of 1,000 images in 60 s; from a quarter on 180 s, of which 60 are gone.
    wanted = r"pretrain fig5\.crop\.s0: epoch \d+ of 24, loss 4\.1, 4 images/s, 2 min left"
    assert re.fullmatch(wanted, said[0]), said
    assert said[-1] == "[ 1/9] pretrain fig5.crop.s0"


def test_no_speed_where_images_are_not_known(capsys, monkeypatch):
    said = lines(capsys, range(0, 1000, 10), monkeypatch, images=0)
    assert "images/s" not in said[0] and "left" in said[0]


def test_short_results_say_one_line(capsys, monkeypatch):
    said = lines(capsys, (number / 10 for number in range(100)), monkeypatch)
    assert said == ["[ 1/9] pretrain fig5.crop.s0"]
