"""docs/keys.md is what its command writes; and some of its lines, held fast."""

from simclr.registry import DECLARED
from simclr.store import keys
from tests.project import ROOT
from workflow.docs import keys_page


def reached(stage: str) -> frozenset[str]:
    (module,) = [one.module for one in DECLARED if one.name == stage]
    return keys.closure((module,))


def test_the_page_is_what_the_command_writes():
    text = keys_page.PAGE.read_text(encoding="utf-8")
    assert text == keys_page.page(), "run `python -m workflow.docs.keys_page`"


def test_what_does_not_decide_a_result_is_not_in_its_key():
    """The vote of the nearest neighbors is the evaluation's; archives are the sources'."""
    assert "simclr.stages.evaluate" in reached("evaluate")
    for stage in ("probe", "transfer", "maps", "neighbours"):
        assert "simclr.stages.evaluate" not in reached(stage), stage
    sources = (ROOT / "simclr" / "data" / "sources").glob("[a-z]*.py")
    readers = {f"simclr.data.sources.{path.stem}" for path in sources} | {"simclr.data.archives"}
    assert len(readers) > 5
    for stage in ("pretrain", "supervise", "evaluate", "probe", "transfer", "finetune"):
        assert not readers & reached(stage), stage
    assert not {name for name in reached("transfer") if name.startswith("simclr.training")}
    assert not {name for name in reached("transfer") if name.startswith("simclr.augment.pipeline")}


def test_what_decides_a_result_is_in_its_key():
    trained = {"augment.operators", "augment.pipeline", "losses", "models.resnet", "training.loop"}
    assert {f"simclr.{name}" for name in trained} <= reached("pretrain")
    assert {"simclr.features", "simclr.data.image_store"} <= reached("transfer")
    for stage in DECLARED:
        assert {"simclr", "simclr.determinism"} <= keys.closure((stage.module,)), stage.name
        declarations = {"simclr.settings", "simclr.registry", "simclr.config"}
        assert not declarations & keys.closure((stage.module,)), stage.name
