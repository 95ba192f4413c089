"""The command line, `simclr` or `python -m workflow`.

The outermost layer: what the commands do stands in commands.py, which imports late, so that
`--help` and a check of a finished scale take a fraction of a second.
"""

import _thread
import argparse
import contextlib
import os
import sys
import threading
import time
from pathlib import Path

from simclr.config import MOST_INT, ConfigError, printable
from simclr.files import ROOT
from simclr.settings.data import Prepare


def main(argv=None) -> int:
    """Run one command, return the exit status. A user's mistake is one line, status 2."""
    try:
        if argv is None:
            open_streams()
            speak_utf8()
            work_in_the_checkout_of(current_folder())
        sys.unraisablehook = interrupt_again
        for name in ("SIMCLR_DATA_DIR", "SIMCLR_TENSORBOARD"):
            if os.environ.get(name):
                os.environ[name] = os.path.abspath(os.environ[name])
        args = parser().parse_args(argv)
        os.chdir(ROOT)
        status = args.run(args) or 0
        sys.stdout.flush()
        return status
    except ConfigError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except BrokenPipeError:  # as in `simclr plan --list | head`: nobody reads on
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return 141
    except (OSError, SyntaxError) as error:
        print(f"error: {explain(error)}", file=sys.stderr)
        return 2
    except ModuleNotFoundError as error:  # as where `dvc` is called by its path
        print(
            f"error: {sys.executable} has no module '{error.name}': `make setup` installs all into "
            ".venv, and `. .venv/bin/activate` makes it the Python of this shell.",
            file=sys.stderr,
        )
        return 2
    except KeyboardInterrupt:
        print("stopped; run the same command again.", file=sys.stderr)
        return 130


def open_streams() -> None:
    """Give each standard stream that the caller closed (`>&-`) a place: what it is told is lost.

    Else the first file that is opened takes its number, and gets what is printed.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            file = os.open(os.devnull, os.O_RDWR)  # gets the lowest number: the closed one
            os.set_inheritable(file, True)
            stream = open(file, mode, encoding="utf-8", closefd=False)  # noqa: SIM115 (to stay)
            setattr(sys, name, stream)


def current_folder() -> Path:
    """Return the current folder. Raises ConfigError where it was deleted."""
    try:
        return Path.cwd()
    except FileNotFoundError:
        raise ConfigError("the current folder was deleted; change to one that is there.") from None


def speak_utf8() -> None:
    """Start again in UTF-8 mode where the locale has another encoding: names of files are data."""
    if sys.getfilesystemencoding() != "utf-8" and os.environ.get("PYTHONUTF8") != "1":
        os.environ["PYTHONUTF8"] = "1"
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])
    sys.stdout.reconfigure(errors="backslashreplace")


def interrupt_again(unraisable) -> None:
    """Handle Ctrl-C that arrives in a destructor or at shutdown.

    Python would only print a traceback there, and go on.
    """
    if unraisable.exc_type in (KeyboardInterrupt, SystemExit):
        with contextlib.suppress(RuntimeError):  # too late for a thread: all is done
            threading.Thread(target=_interrupt_once_outside).start()
    else:
        sys.__unraisablehook__(unraisable)


def _interrupt_once_outside() -> None:
    """Interrupt the main thread once it has left the hook: inside, Python swallows it again."""
    while _main_thread_is_in(interrupt_again):
        time.sleep(0.01)
    _thread.interrupt_main()


def _main_thread_is_in(function) -> bool:
    frame = sys._current_frames()[threading.main_thread().ident]
    while frame and frame.f_code is not function.__code__:
        frame = frame.f_back
    return frame is not None


def work_in_the_checkout_of(folder: Path) -> None:
    """Become the command line of the checkout that `folder` lies in, where this is another one's.

    So `simclr` works on the project that one stands in, whichever it was installed from.
    """
    for one in (folder, *folder.parents):
        if all((one / name).is_file() for name in ("simclr/files.py", "workflow/cli.py")):
            if (one / "simclr").resolve().parent != ROOT:
                words = [sys.executable, "-m", "workflow", *sys.argv[1:]]
                os.execve(words[0], words, {**os.environ, "PYTHONPATH": str(one)})
            return


def explain(error: OSError | SyntaxError) -> str:
    """Return an error of the system, or in the code, in one line, as both drivers say it."""
    if isinstance(error, SyntaxError):  # a merge marker, too
        return f"{error.filename}, line {error.lineno}: {error.msg}."
    names = [name for name in (error.filename, error.filename2) if name]  # two of a renaming
    place = f"{' to '.join(map(str, names))}: " if names else ""
    return printable(f"{place}{error.strerror or error}; fix it and run the same command again.")


class Parser(argparse.ArgumentParser):
    """A parser for which a wrong option is one line and status 2; the usage stands in --help."""

    def error(self, message):
        self.exit(2, f"error: {message}\n")


def parser() -> argparse.ArgumentParser:
    """Return the parser of all commands."""
    from workflow import commands  # here, where a mistake in their code is told in one line

    whole = Parser(
        prog="simclr",
        description="SimCLR, the paper as a program. `snakemake --cores all` computes everything; "
        "these commands look at results, share them, and run stages without Snakemake.",
    )
    subparsers = whole.add_subparsers(metavar="COMMAND", required=True)

    def command(name: str, run, text: str, scale: bool = True) -> argparse.ArgumentParser:
        sub = subparsers.add_parser(name, help=text, description=text)
        sub.set_defaults(run=run)
        if scale:
            text = "default: that of params.yaml"
            sub.add_argument("scale", nargs="?", type=_something, help=text)
        return sub

    sub = command("plan", commands.plan, "Say what a run would compute, and how long it takes.")
    sub.add_argument("--write", action="store_true", help="write results/SCALE/plan for DVC")
    sub.add_argument("--list", action="store_true", help="list every result with its key")

    text = "Compute results in this process, without Snakemake (inputs first)."
    sub = command("run", commands.run, text)
    sub.add_argument("--keys", nargs="+", metavar="KEY", help="planned results, by key")
    sub.add_argument("--ranks", type=int, default=1, help="processes that train together")
    text = "names to run, e.g. 'fig8.*.s0'"
    sub.add_argument("--only", metavar="PATTERN", type=_something, help=text)
    stage = {"metavar": "STAGE", "type": _something, "help": "only one stage, e.g. pretrain"}
    sub.add_argument("--stage", **stage)
    text = "only a share, e.g. 2/5 on the second of five machines; figures are left out"
    sub.add_argument("--shard", metavar="I/N", type=_shard, help=text)
    text = "compute results that are there once more, and compare every bit"
    sub.add_argument("--again", metavar="NAME", type=_something, help=text)

    text = "Check every stored output against its recorded SHA-256."
    sub = command("verify", commands.verify, text)
    sub.add_argument("--stage", **stage)
    sub.add_argument("--repair", action="store_true", help="compute damaged ones again")
    first = "run snakemake first, where something is missing"
    sub.add_argument("--complete", action="store_true", help=first)

    sub = command("show", commands.show, "Print the provenance of a result.")
    sub.add_argument("name", type=_something, help="name or key")

    text = "Compare metrics by stage and name: of results, or of published files."
    sub = command("compare", commands.compare, text, scale=False)
    text = "a scale, or a published file; default: the scale of params.yaml"
    sub.add_argument("left", nargs="?", metavar="LEFT", type=_side, help=text)
    text = "default: what is published of LEFT"
    sub.add_argument("right", nargs="?", metavar="RIGHT", type=_side, help=text)
    sub.add_argument("--all", action="store_true", help="list every metric that differs")

    text = "Say how many more seeds would decide each open contrast, and what they cost."
    command("power", commands.power, text)

    sub = command("publish", commands.publish, "Put finished figures into paper_figures/SCALE.")
    sub.add_argument("--figures", nargs="+", metavar="NAME", help="only these; default: all")
    sub.add_argument("--complete", action="store_true", help=first)
    text = "draw figures also from a part of their runs, and say how many are missing"
    sub.add_argument("--partial", action="store_true", help=text)

    text = "Write all metrics of a scale to data/published/SCALE.jsonl."
    sub = command("export", commands.export, text)
    sub.add_argument(
        "--partial", action="store_true", help="of what is here; the rest stays as published"
    )

    text = "Write what is published of a scale as an RO-Crate, to be deposited."
    sub = command("crate", commands.crate, text)
    text = "a folder, or a file NAME.zip; default: crate-SCALE"
    sub.add_argument("--out", metavar="PATH", type=_absolute, help=text)

    text = "Bring in published metrics by key, to draw figures, or results of another machine."
    sub = command("import", commands.import_, text)
    text = "a crate, or a results/SCALE, or a stage of it; brings in what is planned and intact"
    sub.add_argument("--from", dest="source", metavar="PATH", type=_absolute, help=text)

    text = "Delete results that the present plan does not name, and their checkpoints."
    command("prune", commands.prune, text)

    text = "Print the SHA-256 of an image folder or archive, for `sha256` in a scale."
    sub = command("fingerprint", commands.fingerprint, text, scale=False)
    sub.add_argument("path", type=_absolute)
    text = "default: imagenet where PATH has its layout and no folder test/, else folder"
    sub.add_argument("--source", choices=("folder", "imagenet"), help=text)

    training = {"type": _something, "help": "the training, e.g. fig8.nonlinear-128.s0"}
    text = "Extract the features of a folder of images with an encoder that was trained here."
    sub = command("features", commands.features, text)
    sub.add_argument("name", **training)
    sub.add_argument("folder", type=_absolute, help="of images")
    sub.add_argument("--out", type=_absolute, help="default: FOLDER/features.npz")
    sub.add_argument(
        "--size", type=_as("image_size"), help="pixels; default: as its views in training"
    )
    text = "leave out images that cannot be used, and say which"
    sub.add_argument("--skip-bad", action="store_true", help=text)
    text = "the value of white in gray images of 16 bits, e.g. 4095 for 12 bits"
    sub.add_argument("--white-level", type=_as("white_level"), default=0, help=text)
    text = "the most to decode of one image; default: 100"
    sub.add_argument("--max-megapixels", type=_as("max_megapixels"), default=100, help=text)
    text = "Write an encoder that was trained here in a form that loads without this project."
    sub = command("export-encoder", commands.export_encoder, text)
    sub.add_argument("name", **training)
    sub.add_argument("--format", choices=("onnx", "torchscript", "safetensors"), required=True)
    sub.add_argument("--out", type=_absolute, required=True, help="the file to write")
    return whole


def _as(setting: str):
    """Return the type of an option that stands for a number of settings.Prepare: its range."""
    limits = Prepare.__dataclass_fields__[setting].metadata
    low, high = limits["low"], limits["high"] or MOST_INT

    def number(text: str) -> int:
        if not (text.isascii() and text.isdigit() and low <= int(text) <= high):
            raise argparse.ArgumentTypeError(f"expected {low} to {high}, got {text!r}")
        return int(text)

    return number


def _shard(text: str) -> tuple[int, int]:
    number, _, count = text.partition("/")
    if not (number.isdecimal() and count.isdecimal() and 1 <= int(number) <= int(count) <= 1000):
        raise argparse.ArgumentTypeError(f"expected I/N, I from 1 to N, got {text!r}")
    return int(number), int(count)


def _something(text: str) -> str:
    """Refuse "", as of a variable of the shell that is not set: it would stand for everything."""
    if not text.strip():
        raise argparse.ArgumentTypeError("empty; give a value, or leave it out")
    return text


def _absolute(text: str) -> Path:
    return Path(_something(text)).resolve()  # before the command moves to the project's root


def _side(text: str) -> str:
    return str(_absolute(text)) if text.endswith(".jsonl") else _something(text)
