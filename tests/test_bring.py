"""`simclr import --from`: results that another machine computed without Snakemake and DVC."""

import json
import os
import resource
import shutil
import signal
import sys
import time
from pathlib import Path

import pytest

from simclr import files
from simclr.store import results
from tests.project import Project

pytestmark = pytest.mark.slow
ABSENT = ("snakemake", "dvc")


@pytest.fixture(scope="module")
def elsewhere(finished, tmp_path_factory) -> Project:
    """A clone in which bare stages computed everything, and neither driver can be imported."""
    root = tmp_path_factory.mktemp("elsewhere")
    for name in ABSENT:
        (root / name).mkdir()
        (root / name / "__init__.py").write_text("raise ImportError('not on this machine')\n")
    project = finished.clone(root / "clone")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(root))
        for name in ABSENT:
            assert project._run([sys.executable, "-c", f"import {name}"], check=False).returncode
        project.simclr("run")
    assert len(project.executed()) == len(finished.executed())
    return project


@pytest.fixture
def home(finished, tmp_path) -> Project:
    return finished.clone(tmp_path / "home")


def bring(home: Project, source: Path, status: int = 0) -> str:
    done = home.simclr("import", "--from", str(source), check=False)
    assert done.returncode == status and "Traceback" not in done.stdout, done.stdout
    assert not list((home.store / "tmp").glob("*"))
    return done.stdout


def copied(elsewhere: Project, folder: Path) -> Path:
    return shutil.copytree(elsewhere.store, folder / "mini")


def keys_of(home: Project) -> set[str]:
    return {path.parent.name for path in home.store.glob("*/*/provenance.json")}


def of(store: Path, stage: str) -> list[Path]:
    return sorted((store / stage).iterdir())


def reseal(path: Path, **changes) -> None:
    """Change the provenance of a result, with a seal that fits; hashes as they are in the text."""
    provenance = json.loads((path / "provenance.json").read_text())
    (path / "provenance.json").write_text(results.provenance_text({**provenance, **changes}))


def outputs(path: Path) -> dict:
    names = sorted(file.name for file in path.iterdir() if file.name != "provenance.json")
    return {name: files.sha256(path / name) for name in names}


def test_both_drivers_go_on_from_what_was_brought_in(elsewhere, home, finished):
    assert bring(home, elsewhere.store).startswith("22 results brought in, 0 were there")
    again = bring(home, elsewhere.store)
    assert again == "0 results brought in, 22 were there already, 0 refused.\n"
    assert "Recorded for DVC" in home.snakemake().stdout
    assert "up to date" in home.dvc("status").stdout
    home.dvc("repro")
    assert home.executed() == []
    assert home.contents() == finished.contents()
    assert home.published() == finished.published()


def test_a_stage_or_a_single_result(elsewhere, home):
    assert bring(home, elsewhere.store / "pretrain").startswith("8 results brought in")
    one = of(elsewhere.store, "evaluate")[0]
    assert bring(home, one).startswith("1 results brought in")
    assert keys_of(home) == {path.name for path in [*of(elsewhere.store, "pretrain"), one]}
    home.simclr("run")  # goes on with these encoders
    assert not any(line.startswith("pretrain") for line in home.executed())
    assert sum(line.startswith("evaluate") for line in home.executed()) == 7


def test_what_was_tampered_with_is_refused_and_the_rest_kept(elsewhere, home, tmp_path):
    store = copied(elsewhere, tmp_path)
    trained, measured = of(store, "pretrain"), of(store, "evaluate")
    drawn, shown = of(store, "figures"), of(store, "histograms")
    expected = {}  # key -> what stderr says of it

    # Metrics made better, with a new seal: once with the old hash, once as if of other settings.
    metrics = measured[0] / "metrics.json"
    metrics.write_text(metrics.read_text().replace("}", ', "linear_h": 99.0}'))
    reseal(measured[0])
    expected[measured[0]] = "metrics.json: content differs from its recorded SHA-256; copy it again"
    settings = json.loads((measured[1] / "provenance.json").read_text())["settings"]
    reseal(measured[1], settings={**settings, "epochs": 50})
    expected[measured[1]] = "provenance.json: its stage, settings, inputs, code and versions make"
    reseal(measured[2], code="0" * 64)
    expected[measured[2]] = "provenance.json: its stage, settings, inputs, code and versions make"
    (measured[3] / "provenance.json").write_text('{"key": ')
    expected[measured[3]] = "provenance.json: damaged"
    reseal(measured[4], outputs={})  # a result without its metrics
    expected[measured[4]] = "curves.csv: does not belong to this result"
    (measured[5] / "provenance.json").unlink()  # a copy that was cut
    expected[measured[5]] = "provenance.json: missing, was it copied in part?"
    reseal(measured[6], hardware="NVIDIA H100 80GB HBM3")
    expected[measured[6]] = "provenance.json: computed by 'NVIDIA H100 80GB HBM3', but device cpu"
    reseal(measured[7], settings=["no", "mapping"])
    expected[measured[7]] = "provenance.json: damaged (AttributeError"

    # Encoders of two keys swapped, whole folders swapped.
    pair = [path / "encoder.safetensors" for path in trained[:2]]
    contents = [path.read_bytes() for path in pair]
    for path, content in zip(pair, reversed(contents), strict=True):
        path.write_bytes(content)
        expected[path.parent] = "encoder.safetensors: content differs"
    shutil.rmtree(trained[2])
    shutil.copytree(trained[3], trained[2])
    expected[trained[2]] = "provenance.json: damaged (it belongs to another result)"
    # Cut short, more than it should be, links, an encoder that is not there, a path to elsewhere.
    content = (trained[4] / "curves.csv").read_bytes()
    (trained[4] / "curves.csv").write_bytes(content[:-10])
    expected[trained[4]] = "curves.csv: content differs"
    (trained[5] / "notes.txt").write_text("hello")
    expected[trained[5]] = "notes.txt: does not belong to this result"
    target = tmp_path / "somewhere"
    (trained[6] / "encoder.safetensors").rename(target)
    (trained[6] / "encoder.safetensors").symlink_to(target)
    expected[trained[6]] = "encoder.safetensors: a link; copy the folder by `cp -rL`"
    (trained[7] / "encoder.safetensors").unlink()
    reseal(trained[7], outputs=outputs(trained[7]))
    expected[trained[7]] = "encoder.safetensors: missing, every pretrain has it"
    shown[0].rename(tmp_path / shown[0].name)
    shown[0].symlink_to(tmp_path / shown[0].name)
    expected[shown[0]] = "a link; copy what it names by `cp -rL`"
    listed = json.loads((drawn[0] / "provenance.json").read_text())["outputs"]
    outside = "../../../../../README.md"  # seen from where results are judged
    reseal(drawn[0], outputs={**listed, outside: files.sha256(home.path / "README.md")})
    expected[drawn[0]] = f"lists '{outside}', which is no file of this result"
    os.mkfifo(drawn[1] / "pipe")
    expected[drawn[1]] = "pipe: no plain file"

    said = bring(home, store, status=2)
    errors = [line for line in said.splitlines() if line.startswith("error: ")]
    assert len(errors) == len(expected)
    for path, text in expected.items():
        assert [str(path) in line and text in line for line in errors].count(True) == 1, text
    assert f"4 results brought in, 0 were there already, {len(expected)} refused." in said
    kept = {path.name for path in [*of(store, "prepare"), trained[3], shown[1], drawn[2]]}
    assert keys_of(home) == kept and "0 damaged" in home.simclr("verify").stdout


def test_results_of_other_code_and_settings_are_said_not_to_be_planned(elsewhere, home):
    home.append("simclr/stages/evaluate.py", "\n\ndef _edited():\n    return 1\n")
    home.edit("workflow/scales/mini.yaml", "histograms: {images: 20}", "histograms: {images: 10}")
    home.edit("workflow/scales/mini.yaml", "normalized: [0.5]", "normalized: [0.7]")
    said = bring(home, elsewhere.store)
    # l2-0.5 is fig8's base setting, too, so it is still trained, under another name.
    assert said.startswith("9 results brought in, 0 were there already, 0 refused.")
    assert "13 are not in the plan of scale mini:" in said
    assert "  6 evaluate: other code; " in said
    assert "  2 evaluate: no such name is planned; table5.l2-0.5" in said
    assert "  2 histograms: other settings (images); fig6" in said
    assert "  1 figures: other settings (context, rows), inputs; table5" in said

    lock = (home.path / "requirements.lock").read_text()
    home.write("requirements.lock", lock.replace("\nnumpy==", "\nnumpy==0."))
    said = bring(home, elsewhere.store / "prepare", status=2)
    assert (
        "none of its 1 results" in said and "(e.g. data, prepare: other versions (numpy))" in said
    )
    assert len(keys_of(home)) == 0  # put aside: the plan of these versions names none of them


def test_another_scale_or_commit_is_said_in_one_line(elsewhere, home):
    done = home.simclr("import", "tiny", "--from", str(elsewhere.store), check=False)
    assert done.returncode == 2 and len(done.stdout.splitlines()) == 1
    assert done.stdout.startswith("error: ") and str(elsewhere.store) in done.stdout
    assert "none of its 22 results is in the plan of scale tiny (e.g. " in done.stdout
    assert "name the scale that they are of" in done.stdout
    assert not list((home.path / "results" / "tiny").glob("*/*/provenance.json"))

    home.append("simclr/stages/pretrain.py", "\n\ndef _edited():\n    return 1\n")
    said = bring(home, elsewhere.store / "pretrain", status=2)
    assert len(said.splitlines()) == 1 and "pretrain: other code" in said
    assert "check out the commit that computed them" in said and not keys_of(home)


@pytest.mark.parametrize(
    "text",
    ["[" * 100_000, '{"outputs": ' * 100_000, "[]", "7", "\udcff", '{"key": NaN}', "{}", "\0"],
    ids=lambda text: repr(text[:12]),
)
def test_no_provenance_at_all(elsewhere, home, tmp_path, text):
    path = shutil.copytree(of(elsewhere.store, "histograms")[0], tmp_path / "0123456789ab")
    (path / "provenance.json").write_bytes(text.encode(errors="surrogateescape"))
    said = bring(home, path, status=2)
    assert said.startswith(f"error: {path / 'provenance.json'}: damaged") and not keys_of(home)
    assert "0 results brought in, 0 were there already, 1 refused." in said


def test_a_name_cannot_write_lines_of_its_own(elsewhere, home, tmp_path):
    path = shutil.copytree(elsewhere.store / "prepare", tmp_path / "prepare")
    (one,) = path.iterdir()
    reseal(one, name="data\n5 results brought in")
    assert "damaged (ValueError: name)" in bring(home, path, status=2)


def test_an_unknown_key(elsewhere, home, tmp_path):
    store = copied(elsewhere, tmp_path)
    one = of(store, "pretrain")[0]
    other = one.rename(one.with_name("0123456789ab"))
    reseal(other, key="0123456789ab")
    said = bring(home, store / "pretrain", status=2)
    assert "make the key " + one.name in said and "so it is not the result 0123456789ab" in said
    assert other.name not in keys_of(home) and len(keys_of(home)) == 7


@pytest.mark.parametrize(
    "source, message",
    [
        ("nowhere", "nowhere: no such folder"),
        ("README.md", "README.md: no such folder (an archive must be unpacked first)"),
        ("docs", "docs: no results in it; give a results/SCALE"),
    ],
)
def test_no_folder_of_results(home, source, message):
    said = bring(home, home.path / source, status=2)
    assert said.startswith("error: ") and message in said and len(said.splitlines()) == 1


def test_a_full_disk_leaves_nothing_half_written(elsewhere, home):
    def short():  # files cannot grow beyond 20 kB: encoders are larger
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))

    command = [sys.executable, "-m", "workflow", "import", "--from", elsewhere.store / "pretrain"]
    process = home.launch(command, preexec_fn=short)
    said, _ = process.communicate(timeout=60)
    assert process.returncode == 2 and said.startswith("error: ") and len(said.splitlines()) == 1
    assert "File too large; fix it and run the same command again" in said
    assert not keys_of(home) and not list((home.store / "tmp").glob("*"))
    assert bring(home, elsewhere.store).startswith("22 results brought in")


def test_a_kill_leaves_nothing_half_written(elsewhere, home, tmp_path):
    store = copied(elsewhere, tmp_path)
    second = of(store, "pretrain")[1]
    with open(second / "z", "wb") as file:  # takes a second or more to copy
        file.truncate(2**30)
    command = [sys.executable, "-m", "workflow", "import", "--from", store / "pretrain"]
    process = home.launch(command)
    part = home.store / "tmp" / "brought" / second.name / "z"
    deadline = time.monotonic() + 60
    while not part.exists():
        assert process.poll() is None and time.monotonic() < deadline
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    assert part.exists() and keys_of(home) >= {of(store, "pretrain")[0].name}
    assert second.name not in keys_of(home)
    assert "1 results intact, 0 damaged" in home.simclr("verify").stdout

    (second / "z").unlink()
    assert bring(home, store).startswith("21 results brought in, 1 were there already")


def test_a_complete_forgery_shows_beside_the_published_metrics(elsewhere, finished, tmp_path):
    """Its hashes fit: only other results can tell."""
    home = finished.copy(tmp_path / "home")
    home.simclr("export")
    home.commit()
    home = home.clone(tmp_path / "clone")
    store = copied(elsewhere, tmp_path)
    forged = of(store, "evaluate")[0]
    metrics = json.loads((forged / "metrics.json").read_text())
    better = json.dumps({**metrics, "linear_h": 99.0}, indent=1, sort_keys=True) + "\n"
    (forged / "metrics.json").write_text(better)
    reseal(forged, outputs=outputs(forged))
    assert bring(home, store).startswith("22 results brought in")
    said = home.snakemake().stdout
    assert f"linear_h: 99.0 | {metrics['linear_h']}" in said
