"""What of the checkout belongs to a scale's crate, and how it stands to Git's last commit."""

import subprocess
from dataclasses import dataclass
from pathlib import Path

from simclr.config import ConfigError, one_line
from workflow.publishing.published import published_file


@dataclass(frozen=True)
class Checkout:
    """The files of a crate, and the commit that they are of.

    files: that Git follows; commit, date: the last one, its date in ISO 8601; changed:
    files that differ from it; published: when the metrics were committed, "" where they are not.
    """

    files: list[str]
    commit: str
    date: str
    changed: list[str]
    published: str

    @property
    def version(self) -> str:
        """The commit; `-modified` says that files differ from it."""
        return f"{self.commit}-modified" if self.changed else self.commit


def read_checkout(scale: str) -> Checkout:
    """Return what of the checkout belongs to a scale's crate.

    Raises ConfigError where there is no commit, where a file is not there that a crate must have,
    and where code or results are not in Git: a crate has what Git follows, and nothing private.
    """
    metrics, figures = published_file(scale).as_posix(), f"paper_figures/{scale}/"
    files = [name for name in _git("ls-files", "-z") if _belongs(name, scale)]
    files = [name for name in files if Path(name).is_file() and not Path(name).is_symlink()]
    status = _git("status", "--porcelain", "-z", "--no-renames", "--untracked-files=all")
    changed = [line[3:] for line in status if line[:2] != "??" and _belongs(line[3:], scale)]
    for name in (line[3:] for line in status if line[:2] == "??"):
        if name.startswith((metrics, figures, "simclr/", "workflow/")):
            raise ConfigError(f"{name}: not in Git, so not in a crate; `git add` or remove it.")
    for name, command in ((metrics, "export"), (f"{figures}index.html", "publish")):
        if name not in files:
            raise ConfigError(f"{name}: missing; `simclr {command} {scale}` writes it.")
    commit, date = _git("log", "-1", "--format=%H%x00%cI", "-z")
    published = _git("log", "-1", "--format=%cI", "-z", "--", metrics)
    return Checkout(files, commit, date, changed, "" if metrics in changed else published[0])


def _belongs(name: str, scale: str) -> bool:
    """Tell whether a file is part of the crate. `.dvc` names the remotes of whoever makes it."""
    if name == published_file(scale).as_posix() or name.startswith(f"paper_figures/{scale}/"):
        return True
    others = ("results/", "paper_figures/", "data/published/", "dvc.lock", ".dvc/")
    return not name.startswith(others)


def _git(*words: str) -> list[str]:
    """Return what Git prints with -z, as a list. Raises ConfigError."""
    command = ["git", "--no-optional-locks", *words]
    done = subprocess.run(command, capture_output=True, encoding="utf-8", errors="surrogateescape")
    if done.returncode:
        problem = one_line(ValueError(done.stderr)).removeprefix("fatal: ")
        raise ConfigError(f"git: {problem}; a crate names its commit: make it where there is one.")
    return list(filter(None, done.stdout.split("\0")))
