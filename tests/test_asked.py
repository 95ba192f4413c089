"""What means nothing to Snakemake here is refused, before anything is computed; how a run fails."""

from types import SimpleNamespace

import pytest

from simclr.config import ConfigError
from tests.project import MINI
from workflow.planning import checks
from workflow.planning.planner import build_plan
from workflow.planning.summary import expected_seconds, summary
from workflow.running import asked, progress, resources, screen


def parsed(monkeypatch, tmp_path, *words):
    """The options as Snakemake itself parses them, and its configuration."""
    from snakemake.cli import parse_config

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["snakemake", *words])
    options = asked.options()
    return options, parse_config(options.config)


@pytest.mark.parametrize(
    "words, said",
    [
        (["--forceall"], "--forceall: finished results are kept; `simclr run --again NAME`"),
        (["-F", "fig8"], "--forceall: finished"),
        (["--force", "fig8"], "--force: finished"),
        (["-R", "pretrain"], "--forcerun: finished"),
        (["--touch"], "--touch: dates of files do not matter"),
        (["--delete-all-output"], "--delete-all-output: .*`simclr prune`"),
        (["--delete-temp-output"], "--delete-temp-output: .*`simclr prune`"),
        (["--batch", "all=2/2"], "--batch: what is missing changes"),
        (["--omit-from", "fig8"], "--omit-from: only what is named is computed"),
        (["--cores", "0"], "--cores 0: nothing could run"),
        (["--no-hooks"], "--no-hooks: a run takes its lock"),
        (["--config", "Scale=small"], "--config Scale, .* unknown. Did you mean 'scale'?"),
        (["--config", "scale=tiny", "seed=1"], "--config seed, or a profile's"),
        (["--config", "scale="], "--config scale: empty; name a scale"),
        (["--config", "scale=tiny", "scale=small"], "--config scale: given more than once"),
    ],
)
def test_refused(monkeypatch, tmp_path, words, said):
    with pytest.raises(ConfigError, match=said) as caught:
        asked.check(*parsed(monkeypatch, tmp_path, *words))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "words",
    [[], ["-n"], ["--config", "scale=tiny"], ["-k", "--until", "prepare_data"], ["-j", "4"]],
)
def test_not_refused(monkeypatch, tmp_path, words):
    asked.check(*parsed(monkeypatch, tmp_path, *words))


def test_published_metrics_are_mentioned_where_the_data_are_missing(monkeypatch, tmp_path):
    monkeypatch.setenv("SIMCLR_DATA_DIR", str(tmp_path))
    monkeypatch.chdir(tmp_path)  # nothing is there
    with pytest.raises(ConfigError, match=r"no such data; .* `simclr import small` brings in"):
        checks.check_data(build_plan("small"))


@pytest.fixture
def plan(tmp_path):
    (tmp_path / "mini.yaml").write_text(MINI)
    return build_plan("mini", tmp_path)


def test_targets(plan):
    """Names of rules and files that a rule makes; nothing that is there, or that none makes."""
    there, missing = plan.of("prepare", "pretrain")[:2]
    file = f"{missing.path(plan.store)}/provenance.json"
    rules = [SimpleNamespace(name="fig8", output=[]), SimpleNamespace(name="train", output=[file])]
    names = {"all": "", "fig8": ""}
    asked.check_targets({"fig8", "train", file, f"./{file}"}, names, rules, plan)
    for target, said in {
        "fgi8": "Did you mean 'fig8'?",
        "paper_figures/mini/fig8.svg": "Did you mean 'fig8'?",
        "README.md": "no such figure, family or stage. Valid: all, fig8.",
        f"{there.path(plan.store)}/provenance.json": "is there already",
    }.items():
        with pytest.raises(ConfigError, match=said):
            asked.check_targets([target], names, rules, plan)


@pytest.mark.parametrize(
    "log, free, said",
    [
        ("epoch 1\nerror: a: bad\nexit status 2\n", 1e9, "a: bad"),
        ("Traceback\n  x\nValueError: y\nexit status 1\n", 1e9, "ValueError: y"),
        ("  9%|\r 10%|\nexit status 137\n", 1e9, "killed, most likely for lack of memory"),
        ("MemoryError\nexit status 1\n", 1e9, "stopped, most likely for lack of memory"),
        ("exitcode  : -9 (pid: 7)\nexit status 1\n", 1e9, "most likely for lack of memory"),
        ("exit status 143\n", 1e9, "stopped from outside"),
        ("epoch 1\n", 100, "the disk of the results is full"),
        ("epoch 1\n", 1e9, "ended without an exit status; the last that it said: epoch 1"),
        (None, 1e9, "ended without an exit status"),
    ],
)
def test_why_a_job_failed(tmp_path, log, free, said):
    if log is not None:
        (tmp_path / "log").write_text(log)
    reason = screen.reason(tmp_path / "log", free, 900)
    assert said in reason and "\n" not in reason


CGROUPS = {
    "2": ("0::/a/b", {"a/memory.max": "2147483648", "a/b/memory.max": "max"}),
    "1": ("4:memory:/a\n0::/", {"memory/a/memory.limit_in_bytes": "2147483648"}),
    "1, in a container": ("4:memory:/a", {"memory/memory.limit_in_bytes": "2147483648"}),
}


@pytest.mark.parametrize("version", CGROUPS)
def test_a_container_s_memory_counts(tmp_path, plan, version):
    """In 2 GiB two jobs run at a time, whatever the number of cores; and one in less than a job."""
    groups, files = CGROUPS[version]
    files = {f"sys/fs/cgroup/{name}": text for name, text in files.items()}
    for name, text in {"proc/self/cgroup": groups, **files}.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(f"{text}\n")
    memory = resources.machine_mb(tmp_path)
    assert memory == 2048 < resources.machine_mb()
    for members in plan.groups(plan.instances.values()).values():
        assert 740 < resources.of_job(plan, members, memory)["mem_mb"] <= 2048 / 2
        assert resources.of_job(plan, members, 500)["mem_mb"] == 500


def test_the_first_line_is_about_what_was_asked(plan):
    one = plan.with_inputs([plan.figure("fig6")])
    assert "22 results, 4 to compute: " in summary(plan, one, cores=2)
    assert "22 to compute" in summary(plan, cores=2) and "nothing to" in summary(plan, [])
    assert expected_seconds(plan, one, cores=64) == pytest.approx(
        3 * 4, rel=0.2
    )  # a chain of three


def test_what_was_not_asked_for_shares_no_process_with_what_was(plan):
    def labels(*targets):
        return {one.label for one in asked.missing(targets, plan)}

    everything = {one.label for one in plan.instances.values()}
    assert labels() == labels("all") == labels("fig6", "pretrain") == everything
    assert labels("fig6") == {one.label for one in plan.with_inputs([plan.figure("fig6")])}
    assert "figures fig6" in labels("core") and "figures table5" in labels("core", "fig6")
    assert {one for one in labels("augmentation") if "figures" in one} == {"figures fig6"}


def test_a_first_result_says_little_about_the_rest():
    """That starts cost more than the work, in a small first one, was extrapolated to hours."""
    expected = {"expected": 600.0}
    assert progress.remaining(0, 1200, 0, expected) == 600
    assert 500 < progress.remaining(1, 1200, 10, expected) < 750
    assert progress.remaining(600, 1200, 3000, expected) == pytest.approx(3000, rel=0.2)
    assert progress.remaining(1200, 1200, 3000, expected) == 0
