"""Every benchmark of the docs is run: the command as it stands there, with a smaller size added."""

import json
import multiprocessing
import re
import runpy
import shlex
import statistics
import sys

import pytest
import torch

from benchmarks import measure, report
from simclr import determinism
from simclr.training import batching
from tests.project import ROOT
from tests.test_docs import BENCHMARKS, COMMANDS, dry

pytestmark = pytest.mark.slow
THIN = "--depth 8 --channels 4 --batch 4 --repetitions 2"
# Of each benchmark: the options that make it small (the last one wins) and who takes turns.
SMALL = {
    "views": ("--images 8 --batch 4 --repetitions 2", {"ours", "torchvision", "kornia"}),
    "pretrain": ("--steps 1 --repetitions 1", {"pretrain", "networks"}),
    "step": (
        THIN,
        {f"float32, {how}" for how in ("channels last", "channels first", "recomputed")},
    ),
    "epoch": (f"{THIN} --images 10", {"ours", "torchvision", "kornia"}),
    "evaluate": (
        "--depth 8 --channels 4 --images 16 --epochs 1 --repetitions 2",
        {"floor", "features", "augmented", "torchvision"},
    ),
    "loss": ("--sizes 64 --repetitions 2", {"ours", "plain"}),
    "memory": ("--depth 8 --channels 4 --batches 64 128", None),
    "loader": (
        "--images 20 --repetitions 1",
        {"ours", "ours, without reading ahead", "DataLoader", "packing"},
    ),
    "gpu": ("--small", None),
}
OTHERS = ("benchmarks.report", "benchmarks.overhead")  # test_readme.py, test_planning.py
DOCUMENTED = [
    c for c in COMMANDS if c.startswith(BENCHMARKS) and not any(one in c for one in OTHERS)
]
ON_GPU = [c for c in DOCUMENTED if "benchmarks.gpu" in c]
TIMED = [c for c in DOCUMENTED if c not in ON_GPU]

# Each in a process of its own, forked from one that has imported the large libraries once.
FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(
    ["benchmarks.measure", "simclr.stages.pretrain", "torchvision", "kornia"]
)


def execute(name: str, words: list, out: str, err: str) -> None:
    """`python -m benchmarks.NAME WORDS`, in this process, as __main__."""
    with open(out, "w") as sys.stdout, open(err, "w") as sys.stderr:
        sys.argv = ["", *words]
        runpy.run_module(f"benchmarks.{name}", run_name="__main__", alter_sys=True)


def run(name: str, words: list, folder) -> tuple[int, str, str]:
    """Return (status, what it printed, what it said about mistakes)."""
    out, err = folder / "out.txt", folder / "err.txt"
    process = FORKS.Process(target=execute, args=(name, list(map(str, words)), out, err))
    process.start()
    process.join()
    return process.exitcode, out.read_text(), err.read_text()


def named(command: str) -> tuple[str, list[str]]:
    """The name of the benchmark, and its options in the docs."""
    _, _, module, *options = shlex.split(command)
    name = module.removeprefix("benchmarks.")
    assert name in SMALL, f"say in SMALL what makes {name} small"
    return name, options


def numbers(line: str) -> list[float]:
    return [float(one) for one in re.findall(r"[\d.]+", line.replace(",", ""))]


@pytest.mark.parametrize("command", TIMED)
def test_a_benchmark_of_the_docs(command, tmp_path):
    """It prints what the JSON file has; the page of the docs can be made of that."""
    name, options = named(command)
    small, turns = SMALL[name]
    file = tmp_path / f"{name}.json"
    words = [*options, *small.split(), "--json", str(file)]
    status, printed, said = run(name, words, tmp_path)
    assert status == 0, said
    found = json.loads(file.read_text())
    assert found["command"] == " ".join(["python -m", f"benchmarks.{name}", *words])
    assert printed.startswith(f"{found['hardware']}, {found['cores']} cores; torch ")
    assert f"n = {found['n']}\n" in printed
    for case in found["cases"].values():
        {"loss": check_loss, "memory": check_memory}.get(name, check_rates)(
            printed, case, found["n"], turns
        )
    page = report.page(tmp_path)
    assert f"`{found['command']}`: {found['hardware']}, " in page
    assert all(f"{what}:\n" in page or f"{what}, counted:\n" in page for what in found["cases"])


def test_instruction_sets_take_turns_where_the_processor_has_both(tmp_path):
    file = tmp_path / "instructions.json"
    words = ["--scale", "tiny", "--steps", "1", "--repetitions", "2", "--json", file]
    status, printed, said = run("instructions", words, tmp_path)
    if not determinism.has_avx512():
        assert (status, printed) == (2, "") and said.startswith("error: instruction_set: "), said
        return
    assert status == 0, said
    found = json.loads(file.read_text())
    assert list(found["cases"]) == ["tiny, 8 channels", "tiny, 16 channels"]
    assert "AVX512" in found["hardware"] and "## What a scale saves" in report.page(tmp_path)
    for case in found["cases"].values():
        check_rates(printed, case, 2, {"avx2", "avx512"})


def check_rates(printed: str, case: dict, n: int, turns: set) -> None:
    """Everybody's median rate, least and most, and the median ratio of neighbouring turns."""
    seconds = case["seconds"]
    assert turns <= set(seconds)
    for who, taken in seconds.items():
        assert len(taken) == n and min(taken) > 0
        if who not in turns:  # a floor, which is not in the table
            continue
        rates = [case["count"] / one for one in taken]
        times = [a / b for a, b in zip(taken, seconds[case["ours"]], strict=True)]
        expected = [statistics.median(rates), min(rates), max(rates), statistics.median(times)]
        lines = [line for line in printed.splitlines() if line.startswith(f"{who}  ")]
        shown = [numbers(line.removeprefix(who)) for line in lines]
        assert any(
            len(one) == 4 and one == pytest.approx(expected, rel=1e-3, abs=0.06) for one in shown
        ), (who, expected, lines)
    for who, share in case.get("share_of_peak", {}).items():
        assert share > 0 and f"{who:34}{share:8.0%} of the " in printed


def check_loss(printed: str, case: dict, n: int, turns: set) -> None:
    """All compute the same loss; a line for each."""
    assert turns <= {row["kind"] for row in case["rows"]}
    for row in case["rows"]:
        assert row["loss"] == pytest.approx(case["rows"][0]["loss"], rel=1e-5)
        assert len(row["seconds"]) == n and row["mib"] > 0
        (line,) = [line for line in printed.splitlines() if line.startswith(f"{row['kind']} ")]
        taken = row["seconds"]
        expected = [row["images"], statistics.median(taken), min(taken), max(taken), row["mib"]]
        assert numbers(line) == pytest.approx(expected, abs=0.51)


def check_memory(printed: str, case: dict, n: int, turns) -> None:
    """Counted; twice the images need nearly twice as much, recomputing less."""
    (few, few_recomputed), (many, many_recomputed) = case["mib"]["64"], case["mib"]["128"]
    assert case["way"] == "counted"
    assert 1.6 < many / few < 2.1 and few_recomputed < few and many_recomputed < many
    assert f"{64:8,}{few:14,.0f}{few_recomputed:18,.0f}\n" in printed


@pytest.mark.parametrize(
    ("command", "part"),
    list(zip(ON_GPU, ["verify", "profile"], strict=True)),
)
def test_all_that_is_measured_on_a_gpu(command, part, tmp_path):
    """Its verification and its profile, on the CPU; what was done is not done again."""
    name, options = named(command)
    words = [*options, *SMALL[name][0].split(), "--parts", part, "--out", tmp_path / "measured"]
    status, printed, said = run(name, words, tmp_path)
    assert (status, said) == (0, "") and "all done" in printed, printed
    log = (tmp_path / "measured" / "log.txt").read_text()
    cases = json.loads((tmp_path / "measured" / "measurements.json").read_text())[part]["cases"]
    if part == "verify":
        assert [case["passed"] for case in cases.values()] == [True] * 4, log
        assert all(f"{case} ".ljust(9) + "ok: " in log for case in cases)
    else:
        assert cases["aten::mkldnn_convolution"]["calls"] > 0, log
        assert "ms a step  aten::mkldnn_convolution" in log
    assert run(name, words, tmp_path)[:2] == (0, "all done\n")
    assert (tmp_path / "measured" / "log.txt").read_text() == log


def test_changes_are_measured_one_at_a_time(tmp_path):
    """Each is put on and taken off again; its time is relative to that without it."""
    from benchmarks import tuning  # not before: `run` is to import what it runs

    file = tmp_path / "tuning.json"
    words = [*THIN.split(), "--images", "8", "--json", file, "--changes"]
    chosen = list(tuning.CHANGES)[len(tuning.COMPILED) :]
    status, printed, said = run("tuning", [*words, *chosen], tmp_path)
    assert status == 0, said
    ((_, case),) = json.loads(file.read_text())["cases"].items()
    check_rates(printed, case, 2, {tuning.USUAL, *chosen})
    assert list(case["relative"]) == chosen
    for name, one in case["relative"].items():
        assert one["to"] == tuning.USUAL and one["predicted"] == tuning.CHANGES[name][0]
        pairs = zip(case["seconds"][name], case["seconds"][tuning.USUAL], strict=True)
        assert one["measured"] == pytest.approx(statistics.median(a / b for a, b in pairs))
        assert f"{name:34}time {one['measured']:.2f} of that {one['to']}" in printed
    floats, deterministic = dict(batching.VIEW_FLOATS), torch.are_deterministic_algorithms_enabled()
    for _, change in tuning.CHANGES.values():
        with change():
            pass
    assert floats == batching.VIEW_FLOATS and not torch.backends.cudnn.benchmark
    assert torch.are_deterministic_algorithms_enabled()
    torch.use_deterministic_algorithms(deterministic)


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("step --depth 7", "depth: 7"),
        ("epoch --images 2 --batch 4", "--images 2: fewer than a batch, 4"),
        ("views --images none", "expected a whole number above 0, got 'none'"),
        ("loss --sizes 0", "expected a whole number above 0, got '0'"),
        ("gpu --out nowhere --small --parts loses", "--parts loses: unknown. Did you mean 'loss'"),
        pytest.param(
            "gpu --out nowhere",
            "no GPU is available",
            marks=pytest.mark.skipif(torch.cuda.is_available(), reason="a GPU is there"),
        ),
    ],
)
def test_a_mistake_is_one_line(command, words, tmp_path):
    name, *options = command.split()
    status, printed, said = run(name, options, tmp_path)
    assert status == 2 and printed == "", printed
    assert said.count("\n") == 1 and words in said


def test_make_runs_the_benchmarks_of_the_page():
    """`make benchmarks` and `make overhead` have the commands of the pages, written last."""
    runs = "".join(dry(name) for name in ("overhead", "benchmarks"))
    *measured, last = [line for line in runs.splitlines() if line.startswith(BENCHMARKS)]
    pages = [(ROOT / "docs" / f"{name}.md").read_text() for name in ("benchmarks", "planning")]
    shown = re.findall(r"^(?:[\d,]+ results, )?`(python -m [^`]+)`:", "".join(pages), re.MULTILINE)
    assert last == "python -m benchmarks.report"
    assert sorted(measured) == sorted(shown)


def test_a_file_keeps_three_times_of_one_machine(tmp_path, monkeypatch):
    """The page counts their turns together, and says how far their medians are apart."""
    monkeypatch.setattr(sys, "argv", ["views.py"])
    file = tmp_path / "views.json"

    def measured(minute: int, other: float, hardware: str = "one") -> list[str]:
        found = {**measure.about("cpu", 2), "time": f"09:0{minute}", "hardware": hardware}
        seconds = {"ours": [1.0, 1.0], "other": [other, other]}
        measure.save(file, found, {"case": measure.case("views/s", 12, seconds, "ours")})
        return [one["time"] for one in measure.times(json.loads(file.read_text(encoding="utf-8")))]

    assert measured(0, 9.0) == ["09:00"]
    assert "between times |" not in report.page(tmp_path)
    assert measured(1, 2.0) == ["09:00", "09:01"]
    assert measured(2, 3.0) == ["09:00", "09:01", "09:02"]
    assert measured(3, 6.0) == ["09:01", "09:02", "09:03"]
    page = report.page(tmp_path)
    assert "| other | 4 | 2 | 6 | 3.00x | 2.00x to 6.00x |" in page
    assert "n = 2 at each of 3 times, " in page and " 09:01, " in page
    assert measured(4, 2.0, hardware="another") == ["09:04"]
