"""A user's mistake is one line that says what to do, before anything is computed."""

import sys

import pytest

from simclr import files
from simclr.config import ConfigError
from tests.project import MINI, Project
from workflow import paper
from workflow.planning.planner import build_plan
from workflow.planning.scale import default_scale


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Project:
    return Project.create(tmp_path_factory.mktemp("bad") / "project")


@pytest.mark.parametrize(
    "old, new, message",
    [  # test_config.py has those within a stage's settings
        ("temperature: 0.5", "temprature: 0.5", "loss.temprature: unknown setting. Did you mean"),
        ("batch_size: 20\n ", "batch_size: 99\n ", "s0: pretrain.batch_size needs 99 training"),
        ("  evaluate:", "  evalute:", "base.evalute: unknown stage. Did you mean 'evaluate'?"),
        ("  fig8: {dims: [8]}", "  fig8: {dim: [8]}", "fig8.dim: unknown setting. Did you mean"),
        ("  fig8: {dims: [8]}", "  fgi8: {}", "experiments.fgi8: unknown experiment. Did you mean"),
        ("seeds: [0, 1]", "seeds: [0, 0]", "seeds: give one or more, each once"),
        ("seeds: [0, 1]", "seed: [0, 1]", "seed: unknown setting. Did you mean 'seeds'?"),
        ("{dims: [8]}", "{dims: [8], seeds: []}", "experiments.fig8: seeds: give one or more"),
        ("{dims: [8]}", "{dims: [8], seeds: 3}", "experiments.fig8.seeds: expected a list, got 3"),
        ("  fig8: {dims: [8]}", "  fig8: all", "experiments.fig8: expected a mapping, got 'all'"),
        ("  fig6: {}", "  fig6: yes", "experiments.fig6: expected a mapping, got True"),
        ("  fig6: {}", "  fig6: 0", "experiments.fig6: expected a mapping, got 0"),
        ("  fig6: {}", "  fig6: [a]", "experiments.fig6: expected a mapping, got ['a']"),
        ("title: a", "title: [a", "mini.yaml: not valid YAML"),
        ("title: a", "extends: nope\ntitle: a", "scales/mini.yaml: extends 'nope': unknown. Valid"),
        ("title: a", "extends: no\ntitle: a", "mini.yaml: extends: expected the name of a scale"),
        ("title: a", "extends: 0\ntitle: a", "mini.yaml: extends: expected the name of a scale"),
        ("title: a", "extends: ''\ntitle: a", "extends: expected the name of a scale, got ''"),
        ("title: a", "extends:\ntitle: a", "extends: expected the name of a scale, got None"),
        ("title: a", "title: a\ntitle: b", "line 2: title stands in line 1 already"),
        ("{dims: [8]}", "{dims: [8], dims: [9]}", ": dims stands in line 1"),
        ("{dims: [8]}", "{dims: [010]}", ": 010: write it as a decimal number"),
        ("{dims: [8]}", "{dims: [1:30]}", ": 1:30: write it as a decimal number"),
        ("source: patterns", "source: folder", "file: needed with source 'folder'"),
    ],
)
def test_mistakes_in_a_scale(tmp_path, old, new, message):
    assert old in MINI
    (tmp_path / "mini.yaml").write_text(MINI.replace(old, new), encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        build_plan("mini", tmp_path)
    assert message in str(caught.value) and "\n" not in str(caught.value)


def test_an_experiment_may_be_named_without_a_grid(tmp_path):
    plans = []
    for text in (MINI, MINI.replace("  fig6: {}", "  fig6:")):
        (tmp_path / "mini.yaml").write_text(text, encoding="utf-8")
        plans.append(list(build_plan("mini", tmp_path).instances))
    assert plans[0] == plans[1]


def test_a_scale_with_another_ending_is_told_which_one_is_read(tmp_path):
    (tmp_path / "mine.yml").write_text(MINI, encoding="utf-8")
    (tmp_path / "small.yaml").write_text("extends: mine\n", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"^scale 'mine': only \.yaml is read; rename mine\.yml"):
        build_plan("mine", tmp_path)
    with pytest.raises(ConfigError, match=r"small\.yaml: extends 'mine': only \.yaml is read"):
        build_plan("small", tmp_path)


@pytest.mark.parametrize(
    "name", ["a{b}", "a}", "-mine", "1e3", "007", "1_000", "[a]", "a: b", "#a", "'a'", " a", "a\nb"]
)
def test_a_name_that_the_drivers_cannot_read_is_refused(tmp_path, name):
    (tmp_path / f"{name}.yaml").write_text(MINI, encoding="utf-8")
    with pytest.raises(ConfigError, match=r"cannot be a name, .* use letters") as caught:
        build_plan(name, tmp_path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["q'u o", "2024", "1.5", "no", "True", "m+2=x", "größer"])
def test_other_names_are_used(tmp_path, name):
    (tmp_path / f"{name}.yaml").write_text(MINI, encoding="utf-8")
    assert build_plan(name, tmp_path).store.name == name


def test_settings_of_two_kinds_in_params(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "ROOT", tmp_path)
    for text in ("scale: tiny\n1: 2\nb: 3\n", "b: 3\n1: 2\nscale: tiny\n"):
        (tmp_path / "params.yaml").write_text(text, encoding="utf-8")
        with pytest.raises(ConfigError, match=r"^params\.yaml: .: unknown"):
            default_scale()


@pytest.mark.parametrize(
    ("file", "change", "message"),
    [
        (0, lambda text: b"\xef\xbb\xbf" + text, "reported.csv: missing columns: id; save it as"),
        (1, lambda text: b"\xef\xbb\xbf" + text, "claims.csv: missing columns: id; save it as"),
        (
            0,
            lambda text: text.replace(b",", b";"),
            "columns: column, id, metric, row, value; save",
        ),
        (
            0,
            lambda text: text.replace(b",59.6,", b',"59,6",'),
            "Table 1: value '59,6' is no",
        ),
        (0, lambda text: text.decode().encode("utf-16"), "paper_reported.csv: cannot be read ("),
        (0, lambda text: b"", "missing columns: column, id"),
        (1, lambda text: text.replace(b"\nC06,", b"\nC99,"), "no row C06, which fig6 tests; add"),
    ],
    ids=["bom", "bom too", "semicolons", "decimal comma", "utf-16", "empty", "claim"],
)
def test_numbers_of_the_paper_that_a_spreadsheet_saved(
    tmp_path, monkeypatch, file, change, message
):
    """Figures read them, so they came last: after all training."""
    for number, name in enumerate(paper.FILES):
        text = (paper.FOLDER / name).read_bytes()
        (tmp_path / name).write_bytes(change(text) if number == file else text)
    (tmp_path / "mini.yaml").write_text(
        MINI.replace("  fig6: {}", "  fig6: {}\n  table1: {}"), encoding="utf-8"
    )
    monkeypatch.setattr(paper, "FOLDER", tmp_path)
    with pytest.raises(ConfigError) as caught:
        build_plan("mini", tmp_path)
    assert message in str(caught.value) and str(caught.value).startswith("data/paper/")


def test_a_mistake_is_one_line_for_who_runs_it(project):
    project.write("workflow/scales/mini.yaml", MINI.replace("temperature: 0.5", "temperature: 0"))
    done = project.simclr("plan", check=False)
    project.write("workflow/scales/mini.yaml", MINI)
    assert done.returncode == 2 and not project.executed()
    (line,) = done.stdout.splitlines()
    assert line.startswith("error: ") and "loss.temperature: must be greater than 0" in line


def test_another_python_is_told_where_the_libraries_are(project):
    """`.venv/bin/dvc repro` where .venv is not active runs the system's Python."""
    process = project.launch([sys.executable, "-S", "-m", "workflow", "plan"])
    said, _ = process.communicate()
    assert process.returncode == 2 and len(said.splitlines()) == 1
    assert "has no module '" in said and "make setup" in said


@pytest.mark.slow
def test_what_fails_while_it_is_computed_is_named(tmp_path):
    project = Project.create(tmp_path / "project")
    project.write("workflow/scales/mini.yaml", MINI.replace("{warmup", "{base_lr: 1.0e+9, warmup"))
    done = project.simclr("run", "--only", "fig8.none.s0", check=False)
    assert done.returncode == 2
    assert "error: pretrain fig8.none.s0: training diverged: " in done.stdout.splitlines()[-1]


@pytest.mark.slow
def test_unknown_scale_offers_the_nearest(project):
    done = project.simclr("plan", "tinny", check=False)
    assert done.returncode == 2 and "Did you mean 'tiny'?" in done.stdout
    done = project.snakemake("--config", "scale=tinny", check=False)
    assert done.returncode != 0 and "Did you mean 'tiny'?" in done.stdout


@pytest.mark.slow
def test_unknown_figure_offers_the_nearest(project):
    done = project.simclr("publish", "--figures", "fgi8", check=False)
    assert done.returncode == 2 and "Did you mean 'fig8'?" in done.stdout
    done = project.snakemake("fgi8", check=False)
    assert done.returncode != 0 and "Did you mean 'fig8'?" in done.stdout
    assert "Traceback" not in done.stdout
    assert not project.executed()


@pytest.mark.parametrize("command", [pytest.param("snakemake", marks=pytest.mark.slow), "simclr"])
def test_missing_data_folder(project, command):
    where = "source: folder, file: nowhere.tar, sha256: '00'"
    project.write("workflow/scales/mini.yaml", MINI.replace("source: patterns", where))
    if command == "snakemake":
        done = project.snakemake(check=False)
    else:
        done = project.simclr("run", check=False)
    project.write("workflow/scales/mini.yaml", MINI)
    errors = [line for line in done.stdout.splitlines() if "error" in line.lower()]
    assert done.returncode != 0 and len(errors) == 1 and "nowhere.tar" in errors[0]
    assert not project.executed()


def test_results_that_are_not_there(project):
    done = project.simclr("export", check=False)
    assert done.returncode == 2 and "are not computed yet: run `snakemake" in done.stdout
    done = project.simclr("import", check=False)
    assert done.returncode == 2 and "data/published/mini.jsonl: missing" in done.stdout
    done = project.simclr("show", "fig8.linaer-8.s0", check=False)
    assert done.returncode == 2 and "Did you mean 'fig8.linear-8.s" in done.stdout


def test_code_edited_since_it_was_planned(project):
    project.simclr("plan", "--write")
    plan = (project.store / "plan.jsonl").read_text(encoding="utf-8")
    key = plan.split('"key": "')[1].split('"')[0]
    original = (project.path / "simclr/data/sources/patterns.py").read_text(encoding="utf-8")
    project.append("simclr/data/sources/patterns.py", "\nEDITED = True\n")
    done = project.simclr("run", "--keys", key, check=False)
    project.write("simclr/data/sources/patterns.py", original)
    assert done.returncode == 2 and "the code changed since it was planned" in done.stdout
    assert not project.executed()


def test_other_versions_are_refused(project):
    original = (project.path / "requirements.lock").read_text(encoding="utf-8")
    project.write("requirements.lock", original.replace("\nnumpy==", "\nnumpy==0."))
    done = project.simclr("run", "--stage", "prepare", check=False)
    project.write("requirements.lock", original)
    assert done.returncode == 2 and "requirements.lock pins 0." in done.stdout
    assert not project.executed()


def test_a_reader_who_stops_early_is_no_error(project):
    """`simclr plan --list | head -1`"""
    process = project.launch([sys.executable, "-m", "workflow", "plan", "tiny", "--list"])
    assert process.stdout.readline().startswith("scale tiny: ")
    process.stdout.close()
    assert process.wait() == 141
