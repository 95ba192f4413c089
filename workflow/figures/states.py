"""Whether a contrastive training learned, told from its curve (curves.csv) and from chance.

A training that did not learn gives an encoder with metrics like any other. So each figure marks
such runs, keeps them in its means, and says how many they are. N is the number of images in a
batch, and each view has K candidates, one of them its positive (see simclr/losses.py).

    collapsed   all z are alike: the contrastive accuracy of the last epoch is less than twice
                chance, 100 / N %, and its entropy is ln N, within a hundredth
    plateau     the training never got from where it began. Either that accuracy is less than twice
                chance (luck explains half of its hits); or it is less than in the first epoch, and
                NT-Xent is not below ln K, which it is when all candidates are as likely
    learned     all else

Neither half of the last condition says enough. NT-Xent above ln K may be one of a training that is
slow, or of dot products without a limit: then accuracy rises. Accuracy that falls may be one of a
hard head: then the loss is below ln K. The other losses have no value of chance: accuracy decides.
"""

import math

COLLAPSED, PLATEAU, LEARNED = "collapsed", "plateau", "learned"
UNTRAINED = (PLATEAU, COLLAPSED)
NOT_LEARNED = "not_learned"  # column: how many runs of a row are UNTRAINED
DAGGER = "\N{DAGGER}"
NAMED = 4  # settings that a footnote names at most


def chance(settings) -> dict:
    """Return N (`batch`) and K (`candidates`; 0: its loss has no value of chance) of a training.

    settings: of the stage that trained; {} if that was not `pretrain`.
    """
    loss = getattr(settings, "loss", None)
    if loss is None:
        return {}
    n = settings.batch_size
    k = 2 * n - 1 if loss.negatives == "both_views" else n
    return {"batch": n, "candidates": k if loss.kind == "nt_xent" else 0}


def state(curve: list[dict], chance: dict) -> str:
    """Return COLLAPSED, PLATEAU or LEARNED; "" where `chance` or the accuracy is not known.

    curve: the rows of its curves.csv, numbers or texts.
    """
    if not chance or not curve or "contrastive_accuracy" not in curve[0]:
        return ""
    n, k = chance["batch"], chance["candidates"]
    first, last = ({name: float(row[name] or 0) for name in row} for row in (curve[0], curve[-1]))
    if last["contrastive_accuracy"] < 2 * 100 / n:
        is_constant = last["contrastive_entropy"] > 0.99 * math.log(n)
        return COLLAPSED if is_constant else PLATEAU
    fell = last["contrastive_accuracy"] < first["contrastive_accuracy"]
    loss = last["loss"] - last.get("online_loss", 0)  # `online` adds that of a classifier
    return PLATEAU if fell and (k == 0 or loss >= math.log(k)) else LEARNED


def by_run(curves, chances: dict) -> dict[tuple, str]:
    """Return {(setting, seed): state}. curves: all curves, with columns `setting` and `seed`."""
    columns = [name for name in curves if name not in ("setting", "seed")]
    return {
        (setting, seed): state(rows[columns].dropna(axis=1).to_dict("records"), chances[setting])
        for (setting, seed), rows in curves.groupby(["setting", "seed"], sort=False)
        if chances.get(setting)
    }


def footnote(table) -> str:
    """Return what a figure says of the runs that did not learn; "" if all did.

    table: a row per run, with setting and, where any is known, state.
    """
    if "state" not in table or not table["state"].isin(UNTRAINED).any():
        return ""
    total = table["state"].value_counts()
    words = {PLATEAU: "did not leave the plateau", COLLAPSED: "collapsed"}
    counts = [f"{total[name]} {text}" for name, text in words.items() if name in total]
    counts[0] = counts[0].replace(" ", f" of {len(table)} runs ", 1)
    parts = [
        f"{setting} ({count} of {len(states)})"
        for setting, states in table.groupby("setting", sort=False)["state"]
        if (count := states.isin(UNTRAINED).sum())
    ]
    more = f" and {len(parts) - NAMED} more settings" if len(parts) > NAMED else ""
    return f"{DAGGER} {', '.join(counts)}; means include them: {', '.join(parts[:NAMED])}{more}."
