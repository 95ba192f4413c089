"""A scale chooses the processor's instruction set: part of keys, and of the process that computes.

Where the processor has no AVX-512, its refusal is tested instead of its use.
"""

import json
import os
import sys

import pytest

from simclr import determinism
from simclr.config import ConfigError
from tests.project import MINI, Project
from workflow.planning.planner import build_plan
from workflow.running import run

AVX2, AVX512 = determinism.INSTRUCTION_SETS["avx2"], determinism.INSTRUCTION_SETS["avx512"]
REFUSED = "instruction_set: this processor has no AVX-512; choose avx2."
CHOSEN = "instruction_set: avx512\n"


@pytest.fixture
def planned(tmp_path):
    """Function: text to add to the minute scale -> its plan."""

    def plan(added: str = "", text: str = MINI):
        (tmp_path / "mini.yaml").write_text(text + added)
        return build_plan("mini", tmp_path)

    return plan


@pytest.fixture
def processor(tmp_path, monkeypatch):
    """One that has AVX-512, as it seems; nothing may compute on it."""
    (tmp_path / "cpuinfo").write_text("flags : fpu avx2 avx512f avx512dq avx512bw avx512vl\n")
    monkeypatch.setattr(determinism, "PROCESSOR", tmp_path / "cpuinfo")
    for name in AVX2:
        monkeypatch.setenv(name, "")  # so that it is restored
        monkeypatch.delenv(name)
    determinism.cap_instruction_sets()


def keys_by_name(plan, *stages) -> dict[str, str]:
    return {one.label: one.key for one in plan.of(*stages)}


def test_it_is_in_the_keys_of_what_it_computes(planned):
    usual, chosen = planned(), planned(CHOSEN)
    for stage in ("pretrain", "evaluate"):
        one, other = keys_by_name(usual, stage), keys_by_name(chosen, stage)
        assert one and set(one) == set(other) and not set(one.values()) & set(other.values())
    same = keys_by_name(usual, "prepare", "histograms")
    assert same == keys_by_name(chosen, "prepare", "histograms")
    assert {one.instruction_set for one in usual.instances.values()} == {"avx2"}
    for one in chosen.instances.values():
        trains = one.stage.name in ("pretrain", "evaluate")
        assert one.instruction_set == ("avx512" if trains else "avx2")
    on_gpu = planned(f"{CHOSEN}device: cuda\n")
    assert {one.instruction_set for one in on_gpu.instances.values()} == {"avx2"}
    assert {one.settings.instruction_set for one in on_gpu.of("pretrain")} == {"avx512"}


def test_a_process_has_one(planned, processor, monkeypatch):
    """As the base of a single stage, and of all: groups are split, other mixtures refused."""
    started = []
    monkeypatch.setattr(os, "execv", lambda *words: started.append(words))
    monkeypatch.setattr(sys, "argv", ["simclr", "run", "mini"])
    part = planned(text=MINI.replace("  pretrain: &train\n", "  pretrain: &train\n    " + CHOSEN))
    for plan, mixed in ((planned(), False), (planned(CHOSEN), False), (part, True)):
        groups = plan.groups(plan.instances.values()).values()
        assert sum(map(len, groups)) == len(plan.instances)
        for members in groups:
            run.use_one_instruction_set(members)
        kinds = {tuple(sorted({one.stage.name for one in members})) for members in groups}
        assert (("evaluate", "pretrain") in kinds) != mixed
    assert started and set(map(str, started)) == {
        str((sys.executable, [sys.executable, "-m", "workflow", "run", "mini"]))
    }
    with pytest.raises(ConfigError, match="cannot compute prepare data with avx2 and pretrain"):
        run.use_one_instruction_set(list(part.instances.values()))


def test_the_process_that_has_it_is_started_once(processor):
    assert {name: os.environ[name] for name in AVX2} == AVX2
    determinism.check_environment()
    assert not determinism.choose_instruction_set("avx2")
    with pytest.raises(ConfigError, match="this process is at AVX2"):
        determinism.check_environment("avx512")
    assert determinism.choose_instruction_set("avx512")
    assert {name: os.environ[name] for name in AVX512} == AVX512
    assert not determinism.choose_instruction_set("avx512")
    determinism.check_environment("avx512")
    with pytest.raises(ConfigError, match="ATEN_CPU_CAPABILITY: 'avx512' is set"):
        determinism.check_environment("avx2")


@pytest.mark.parametrize("name", [*AVX512, "DNNL_MAX_CPU_ISA"])
def test_a_contradicting_environment_stays_and_is_refused(name, processor, monkeypatch):
    monkeypatch.setenv(name, "other")
    determinism.choose_instruction_set("avx512")
    assert os.environ[name] == "other" and not determinism.choose_instruction_set("avx512")
    with pytest.raises(ConfigError, match=f"^{name}: 'other' is set.*`unset {name}`"):
        determinism.check_environment("avx512")


@pytest.mark.slow
def test_what_chose_avx512_is_computed_with_it(tmp_path):
    project = Project.create(tmp_path / "project")
    wanted = "table5.l2-0.5.s0"
    assert project.simclr("run", "--only", wanted).returncode == 0
    project.append("workflow/scales/mini.yaml", CHOSEN)
    plan = project.simclr("plan", "--list").stdout
    done = project.simclr("run", "--only", wanted, check=False)
    found = {
        provenance["hardware"].rpartition(", ")[2]: file.parent
        for file in project.store.rglob("pretrain/*/provenance.json")
        for provenance in [json.loads(file.read_text())]
    }
    if not determinism.has_avx512():
        assert (done.returncode, done.stdout) == (2, f"error: {REFUSED}\n")
        assert set(found) == {"AVX2"} and plan.count("to do") > 2
        return
    assert done.returncode == 0 and set(found) == {"AVX2", "AVX512"}, done.stdout
    weights = [(folder / "encoder.safetensors").read_bytes() for folder in found.values()]
    assert weights[0] != weights[1]
    again = project.simclr("run", "--again", wanted)
    assert again.stdout.count("the same bits") == 2, again.stdout
