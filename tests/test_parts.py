"""A scale in parts: shares, their order, what is published of them, and docs/sharing.md with it."""

import json
import subprocess

import pytest

from tests import remotes
from tests.project import MINI, Project
from workflow import cli
from workflow.planning.planner import build_plan
from workflow.planning.shares import seeds_first, share
from workflow.publishing.published import measured, published_line


@pytest.fixture
def plan(tmp_path, monkeypatch):
    (tmp_path / "mini.yaml").write_text(MINI)
    monkeypatch.chdir(tmp_path)  # nothing is computed here
    return build_plan("mini", tmp_path)


@pytest.mark.parametrize("count", [1, 2, 3, 5, 100])
def test_shares_are_all_with_none_twice_and_about_equally_long(plan, count):
    instances = plan.instances.values()
    shares = [share(instances, number, count) for number in range(1, count + 1)]
    keys = [one.key for members in shares for one in members]
    assert len(keys) == len(set(keys))
    assert set(keys) == {one.key for one in plan.of_kind("encoder", "measurement")}
    for members in shares:
        here = {one.key for one in members}
        assert all(one.inputs["encoder"].key in here for one in members if "encoder" in one.inputs)
        if count == 2:
            assert {one.seed for one in members} == {0, 1}
    loads = [sum(one.seconds for one in members) for members in shares]
    unit = max(i.seconds + i.inputs["encoder"].seconds for i in plan.of("evaluate"))
    assert max(loads) - min(loads) <= unit + 1e-9


def test_the_first_seed_comes_first_and_inputs_before_their_users(plan):
    order = seeds_first(plan.instances.values())
    assert order[0].stage.kind == "data"
    seeds = [one.seed for one in order if one.stage.kind not in ("data", "figure")]
    assert seeds == sorted(seeds) and set(seeds) == {0, 1}
    place = {one.key: number for number, one in enumerate(order)}
    for one in order:
        assert all(place[needed.key] < place[one.key] for needed in one.inputs.values())


def test_an_encoder_whose_metrics_are_there_is_not_trained_again(plan):
    evaluated = next(one for one in plan.of("evaluate") if one.seed == 0)
    encoder = evaluated.inputs["encoder"]
    folder = evaluated.path(plan.store)
    folder.mkdir(parents=True)
    (folder / "provenance.json").touch()  # imported
    for wanted in (plan.missing(), plan.with_missing_inputs(plan.of_kind("figure"))):
        assert encoder not in wanted and evaluated not in wanted
    assert encoder in plan.with_missing_inputs([evaluated])
    groups = plan.groups(plan.missing_of_any_stage())  # as Snakemake's rules have them
    assert [encoder] in groups.values()


@pytest.mark.parametrize("shard", ["0/2", "3/2", "2", "a/b", "1/2/3", "-1/2", "1/1001", "²/3"])
def test_a_share_that_cannot_be_is_one_line(capsys, shard):
    with pytest.raises(SystemExit) as left:
        cli.main(["run", "tiny", f"--shard={shard}"])
    assert left.value.code == 2
    said = capsys.readouterr().err
    assert len(said.splitlines()) == 1 and "expected I/N, I from 1 to N" in said


def silent(text: str) -> None:
    """Say nothing."""


def lines_of(project: Project) -> list[dict]:
    text = (project.path / "data" / "published" / "mini.jsonl").read_text()
    return [json.loads(line) for line in text.splitlines()]


def without_durations(lines: list[dict]) -> list[dict]:
    return [{**one, "seconds": 0, "training": one.get("training", {}).get("key")} for one in lines]


def computed(project: Project, *but: str) -> set[str]:
    return {line for line in project.executed() if line.split()[0] not in but}


def figures(project: Project) -> dict[str, bytes]:
    names = ("fig6", "fig8", "table5")
    return {k: v for k, v in project.published().items() if k.split(".")[0] in names}


@pytest.mark.slow
def test_two_machines_at_once_and_a_third_that_goes_on(finished, tmp_path, plan):
    publish, bring, rest = remotes.blocks("A scale in parts")
    publish[0] = publish[0].removeprefix("timeout --signal=INT 150m ")

    def follow(project: Project, commands: list[str], shard: str = "") -> str:
        commands = [one.replace("2/5", shard) for one in commands]
        return "".join(remotes.run(silent, project, one, SCALE="mini") for one in commands)

    start, hub = finished.clone(tmp_path / "start"), Project(tmp_path / "hub")
    start.git("rm", "-r", "--quiet", "paper_figures/mini", "dvc.lock")
    start.commit()
    subprocess.run(["git", "clone", "--quiet", "--bare", start.path, hub.path], check=True)
    one, two = (hub.clone(tmp_path / name) for name in ("one", "two"))

    # Two at once, from the same commit; the first draws what it has.
    said = follow(one, publish, "1/2")
    count = len(lines_of(one))
    assert 0 < count < 10 and f"{10 - count} are not computed yet." in said
    one.simclr("publish", "--partial")
    assert " seeds)," in (one.path / "paper_figures/mini/claims.csv").read_text()
    assert " contrasts are decided." in one.simclr("power").stdout
    third = hub.clone(tmp_path / "third")
    follow(two, publish, "2/2")
    assert computed(one) & computed(two) == {"prepare data"}
    assert computed(one) | computed(two) == computed(finished, "figures")

    # The second has brought both parts together: nothing is lost, and nothing is missing.
    said = follow(two, bring)
    assert f"{count} results imported, {10 - count} were there already.\n" in said
    assert figures(two) == figures(finished)

    # The third knows the first's part only, and computes the rest: no encoder of the first's.
    assert f"{10 - count} are not published." in follow(third, bring[1:2])
    said = follow(third, rest)
    assert computed(third, "figures") == computed(two) and "Not recorded for DVC" in said
    assert "0 damaged" in third.simclr("verify").stdout
    assert figures(third) == figures(finished)

    # Both publish what the machine that computed everything has, and the first's lines as they are.
    two.simclr("export")
    expected = [published_line(instance, finished.store) for instance in measured(plan)]
    for project in (two, third):
        assert without_durations(lines_of(project)) == without_durations(expected)
        assert all(line in lines_of(project) for line in lines_of(one))

    # Of other code nothing is shown, and that is said.
    third.append("simclr/stages/evaluate.py", "\n\ndef _edited():\n    return 1\n")
    assert "8 are published of other code or settings." in third.simclr("import").stdout
    said = third.simclr("export", "--partial").stdout
    assert "8 are of other code or settings, e.g. evaluate fig8." in said
    assert len(lines_of(third)) == 10
