"""Write docs/trust.md: what is promised, the test that holds it, and what the long checks found.

python -m tests.trust           # from docs/evidence/*.json; a test compares the two

The evidence is written by tests.edits, tests.faults, tests.fuzz, tests.mutants and tests.bits with
`--json docs/evidence/NAME.json`.
"""

import collections

from benchmarks.report import table
from tests import evidence, faults
from tests.project import ROOT

PAGE = ROOT / "docs" / "trust.md"
INTRODUCTION = """\
# Trust: what is promised, and what holds it

Each line names the test that fails where the promise is broken; CI runs all of them. Five commands
try the same things for longer; what they found last stands below.
This page is written by `python -m tests.trust`.
"""
PROMISES = {
    "Nothing is lost": {
        "A driver that is stopped at any moment goes on by the same command, with no unlocking, to "
        "the bits of an undisturbed run": "test_faults.py::test_a_crash_loses_nothing",
        "So does a training, from its last checkpoint": (
            "test_pretrain.py::test_resumed_after_sigkill_equals_uninterrupted"
        ),
        "So does the packing of ImageNet": (
            "test_imagenet.py::test_a_killed_packing_goes_on_to_the_same_bytes"
        ),
        "So does bringing results in": "test_bring.py::test_a_kill_leaves_nothing_half_written",
        "A job of Slurm that is cancelled or preempted goes on to the same bits": (
            "test_slurm.py::test_a_cancelled_and_a_preempted_job_go_on_to_the_same_bits"
        ),
        "A rank that dies stops the others, and any number of ranks goes on": (
            "test_ranks.py::test_a_rank_that_dies_stops_the_others_and_any_number_goes_on"
        ),
        "But DVC, stopped while it writes a file of its own, refuses it: `snakemake` mends it": (
            "test_faults.py::test_a_file_of_dvc_that_was_cut_is_mended"
        ),
        "A failed run ends with its causes, and keeps what was finished, without a profile, too": (
            "test_driving.py::test_a_failed_run_ends_with_its_causes_and_keeps_what_was_finished"
        ),
        "A full disk is one line; what had fitted is not computed again": (
            "test_isolation.py::test_a_full_disk_is_one_line_and_nothing_is_lost"
        ),
        "Results on a read-only file system stay as they are": (
            "test_isolation.py::test_results_that_cannot_be_written"
        ),
        "A folder that may not be written is named": (
            "test_isolation.py::test_no_permission_to_write"
        ),
        "Dates of files and a clock set back do not matter": (
            "test_scenarios.py::test_11_dates_of_files_do_not_matter"
        ),
        "Two drivers at once compute everything once": (
            "test_scenarios.py::test_14_two_drivers_at_once"
        ),
        "Whoever would move or delete results of a run at work is refused": (
            "test_machines.py::test_whoever_moves_results_waits_for_a_run"
        ),
        "Results on another disk are computed and kept there": (
            "test_machines.py::test_results_on_another_disk"
        ),
        "No locale changes a key or a page": (
            "test_machines.py::test_a_locale_changes_no_key_and_no_page"
        ),
    },
    "What is changed is found": {
        "A flipped bit in any output, provenance included, is named by `simclr verify`": (
            "test_faults.py::test_every_flipped_bit_is_found"
        ),
        "No driver uses or records a damaged output; `simclr verify --repair` computes only it": (
            "test_faults.py::test_no_driver_uses_or_records_what_is_damaged"
        ),
        "A full cache of DVC's is said, and a deleted one is filled again": (
            "test_dvc_record.py::test_a_lost_cache_is_filled_again_and_a_full_one_is_said"
        ),
        "Metrics edited by hand, changed provenance, swapped encoders are caught": (
            "test_faults.py::test_tampering_is_caught"
        ),
        "Results from elsewhere are accepted only whole, and only under the key that is planned": (
            "test_bring.py::test_what_was_tampered_with_is_refused_and_the_rest_kept"
        ),
        "A forgery that is complete in itself shows beside the published metrics": (
            "test_bring.py::test_a_complete_forgery_shows_beside_the_published_metrics"
        ),
    },
    "A key stands for what was computed": {
        "A result is computed by the code of its key, whatever is edited while a driver works": (
            "test_edits.py::test_an_edit_while_a_driver_works_never_gives_a_wrong_value"
        ),
        "For a process imports the very bytes that it hashes": (
            "test_code.py::test_an_edit_is_in_the_code_and_in_the_value_or_in_neither"
        ),
        "It trusts no compiled file": "test_code.py::test_no_compiled_file_is_trusted",
        "It takes no other copy of the project": (
            "test_code.py::test_another_copy_on_the_path_is_not_taken"
        ),
        "Nor a folder that is named like a library": (
            "test_doors.py::test_a_library_in_another_place_is_refused"
        ),
        "No default decides that the key does not hold": (
            "test_keys.py::test_keyed_code_takes_no_default_of_the_settings"
        ),
        "Results that change while others are computed from them are refused": (
            "test_doors.py::test_inputs_that_change_while_they_are_read_are_refused"
        ),
        "So is a checkpoint of an attempt that may have read other inputs": (
            "test_doors.py::test_a_checkpoint_of_inputs_that_were_written_since_is_left"
        ),
        "So are raw images that change while they are packed": (
            "test_doors.py::test_raw_images_that_change_while_they_are_packed_are_refused"
        ),
        "So are libraries that are replaced by another version meanwhile": (
            "test_doors.py::test_versions_are_checked_again_at_the_end"
        ),
        "So is a plan that does not fit the code or settings": (
            "test_doors.py::test_a_planned_line_that_does_not_fit_its_key_is_refused"
        ),
    },
    "Bad input is refused in one line": {
        "Settings and scales": "test_fuzz.py::test_settings",
        "Scales of a few bytes that mean billions of values": (
            "test_fuzz.py::test_aliases_of_aliases"
        ),
        "Options of Snakemake that mean nothing here": "test_asked.py::test_refused",
        "Other folders than the project's": (
            "test_driving.py::test_elsewhere_it_is_one_line_and_nothing_is_left"
        ),
        "Image files": "test_fuzz.py::test_images",
        "Their depth, their pictures and their metadata": "test_fuzz.py::test_odd_images",
        "Names of any bytes, links and litter, in folders": "test_fuzz.py::test_folders",
        "Decompression bombs": "test_bad_data.py::test_decompression_bomb_is_refused",
        "No format but those that are listed is read, and no other program is started": (
            "test_images.py::test_no_other_program_is_started"
        ),
        "A tar that is damaged, cut between two members, or followed by another": (
            "test_archives.py::test_a_tar_that_is_not_whole"
        ),
        "Words of a command line that are empty": (
            "test_commands.py::test_an_empty_word_does_not_stand_for_everything"
        ),
        "Pipes, devices, broken links and loops of links, in folders": (
            "test_which_files.py::test_what_cannot_be_read_is_refused_unread"
        ),
        "Files too large to be images, unread: of folders and archives": (
            "test_bad_data.py::test_huge_member_is_refused_unread"
        ),
        "Files too large to be images, unread: of ImageNet": (
            "test_imagenet.py::test_a_huge_file_is_refused_unread"
        ),
        "Archives: paths that lead out": "test_bad_data.py::test_unsafe_names",
        "Archives: links and duplicates": "test_bad_data.py::test_links_and_duplicates",
        "A prepared set whose images are changed while they are read": (
            "test_which_files.py::test_an_image_that_is_changed_while_it_is_read_is_refused"
        ),
        "Archives of any names, damaged": "test_fuzz.py::test_archives",
        "The archives of CIFAR-10": "test_fuzz.py::test_cifar10_archives",
        "The archives of ImageNet": "test_fuzz.py::test_imagenet_archives",
        "Saved networks": "test_fuzz.py::test_saved_networks",
        "Prepared sets": "test_fuzz.py::test_prepared_sets",
        "Published metrics": "test_fuzz.py::test_published_metrics",
        "Provenance": "test_fuzz.py::test_provenance",
        "Lists of labels": "test_fuzz.py::test_label_lists",
        "None takes more memory than 2,000 MiB for an image of 100 million pixels, and 300 MiB for "
        "what is refused": "test_limits.py::test_memory",
    },
    "Security": {
        "No pickle, no `eval`, no shell built from names": (
            "test_security.py::test_no_pickle_no_eval_no_shell"
        ),
        "Snakemake's rules quote every name": "test_security.py::test_rules_quote_every_name",
        "Names are escaped in the pages, which fetch nothing": (
            "test_gallery.py::test_nothing_is_fetched_and_nothing_runs_that_a_name_says"
        ),
        "The default job needs no network": (
            "test_isolation.py::test_the_default_job_needs_no_network"
        ),
        "Every library is locked by hash; `make audit` looks their versions up": (
            "test_lock.py::test_each_library_that_the_project_names_is_locked"
        ),
    },
    "Numbers": {
        "A loss that is no number stops the run at its step": (
            "test_pretrain.py::test_divergence_stops_with_the_step"
        ),
        "So do weights that are none; the last good checkpoint stays": (
            "test_pretrain.py::test_weights_that_are_no_numbers_stop_it_and_spare_the_checkpoint"
        ),
        "Gradients of NT-Xent are those of finite differences, in float64": (
            "test_losses.py::test_gradient_is_that_of_finite_differences"
        ),
        "So are those of the other losses": (
            "test_other_losses.py::test_gradient_is_that_of_finite_differences"
        ),
        "Compiled networks train to the same bits, compiled anew, killed or not": (
            "test_compiled.py::test_compiled_twice_and_killed_gives_the_same_bits"
        ),
        "Extreme temperatures stay finite": "test_losses.py::test_extreme_temperatures_stay_finite",
        "So do zero vectors": "test_losses.py::test_a_zero_projection_gives_no_nan",
        "So do one image in a batch, and twice the same": (
            "test_other_losses.py::test_one_image_and_the_same_image_give_finite_values"
        ),
        "The bits depend on nothing but what is said below": (
            "test_same_bits.py::test_bits_by_environment"
        ),
        "Nor on kernels of NumPy's own, which the cap does not reach": (
            "test_determinism.py::test_numpy_functions_that_the_cap_does_not_reach_are_not_used"
        ),
        "Nor on whether somebody watches the curves": (
            "test_live_curves.py::"
            "test_an_interrupted_training_has_each_point_once_and_the_same_bits"
        ),
        "A variable that would change bits is refused, and named": (
            "test_determinism.py::test_a_variable_that_changes_bits_is_refused"
        ),
        "An encoder that is written for others gives the same features, or no file is left": (
            "test_export_encoder.py::test_a_file_that_gives_other_features_is_not_left"
        ),
        "A plain loop, that of the lesson, gives the digits of a published run": (
            "test_lesson.py::test_it_runs_and_its_text_holds"
        ),
    },
}
NOT_PROMISED = """\
## What is not promised

* The same bits on another kind of processor or GPU, or with other versions of the libraries. The
  versions are part of every key, the hardware stands in the provenance. What differs is rounding.
* Protection from somebody who means to forge and may write to the repository: a result with a new
  seal and new hashes is consistent in itself. Computing it again shows it, and so does the
  comparison with the published metrics that ends every run.
* That DVC survives being stopped while it writes `dvc.lock` or `.dvc/tmp/rwlock`, which it does in
  place. It then refuses the file; the next `snakemake` that has something to record mends it, as do
  `git checkout dvc.lock` and `rm .dvc/tmp/rwlock`, and no result is touched.
* Data that a disk or a network file system loses after it has said that they are written.
* That a changed file is noticed whose date was set back, or that was changed without one: a library
  whose files were replaced under the same version, or an input between the check of its SHA-256 and
  the end of the stage that reads it.
"""


def page(found: dict[str, dict] | None = None) -> str:
    """The page as the evidence has it now."""
    found = found or evidence.read()
    parts = [INTRODUCTION]
    for title, promises in PROMISES.items():
        rows = [f"| {what} | `tests/{test}` |" for what, test in promises.items()]
        parts.append(
            "\n".join([f"## {title}\n", "| promise | held by |", "| --- | --- |", *rows, ""])
        )
    parts += [NOT_PROMISED, "## What the long checks found\n"]
    checks = {"edits": _edits, "faults": _faults, "fuzz": _fuzz}
    checks |= {"mutants": _mutants, "bits": _bits}
    for name, write in checks.items():
        parts += [f"### {_head(found[name])}\n", write(found[name]).rstrip("\n"), ""]
    return "\n".join(parts)


def _head(found: dict) -> str:
    about = f"{found['hardware']}, {found['cores']} cores, {found['date']}"
    return f"`{found['command']}`\n\n{about}."


def _edits(found: dict) -> str:
    rows = [what.split(": ") for what in found["counts"]]
    rows = [[driver, how, str(found["counts"][f"{driver}: {how}"])] for driver, how in rows]
    about = (
        f"{found['rounds']} drivers, an edit saved while each was at work, 0 to 3 seconds after a "
        f"process had started. {found['minutes']} minutes. {len(found['wrong'])} wrong values."
    )
    wrong = "".join(f"* wrong: {one}\n" for one in found["wrong"])
    return f"{about}\n\n{wrong}{table([['driver', 'which', 'times'], *rows])}"


def _faults(found: dict) -> str:
    rounds = collections.defaultdict(collections.Counter)
    for what, count in found["counts"].items():
        driver, _, how = what.rpartition(": ")
        if driver not in ("flip", "damage: snakemake", "damage: dvc repro"):
            end = how.removesuffix(faults.CUT)
            rounds[driver][end] += count
            rounds[driver][faults.CUT] += count * (how != end)
    ends = {"kill": "SIGKILL", "term": "SIGTERM", "int": "Ctrl-C"}
    ends |= {faults.CUT: "of these, a file of DVC cut", "was faster": "was faster", "lost": "lost"}
    rounds["**all**"] = collections.Counter(h for of in rounds.values() for h in of.elements())
    rows = [[name, *(str(of[end]) for end in ends)] for name, of in rounds.items()]
    about = (
        f"{found['flips']} bits flipped, each to be named; {found['damaged']} damaged results that "
        f"a driver was to refuse and a repair to make again; {found['tried']} drivers to be "
        f"stopped at a random moment. {found['minutes']} minutes. {len(found['lost'])} lost."
    )
    lost = [f"* lost: {' '.join(one.split())[:200]}" for one in found["lost"]]
    shown = table([["driver", *ends.values()], *rows])
    return "\n".join([about, "", *lost, *([""] if lost else []), shown])


def _fuzz(found: dict) -> str:
    rows = [[f"`{n}`", f"{t['tried']:,}", f"{t['refused']:,}"] for n, t in found["tests"].items()]
    said = "a test failed" if found["failed"] else "no test failed"
    about = f"{found['tried']:,} inputs, {said}. What was not refused was valid, and was checked "
    about += f"to be. {found['minutes']} minutes."
    return f"{about}\n\n{table([['test', 'tried', 'refused'], *rows])}"


def _mutants(found: dict) -> str:
    share = found["caught"] / found["mutants"]
    lines = [f"* survived: `{one}`" for one in found["survived"]]
    said = f"{found['caught']} of {found['mutants']} mistakes put into the core "
    return "\n".join([said + f"(tests/mutants.py) make a test fail: {share:.0%}.", *lines])


def _bits(found: dict) -> str:
    count = len(found["outputs"])
    rows = [["environment", "files with equal bits"]]
    for what, one in found["environments"].items():
        variables = ", ".join(f"`{name}={value}`" for name, value in one["variables"].items())
        rows.append([f"{what}: {variables}", f"{count - len(one['differ'])} of {count}"])
    about = "Patterns, a short pretraining and its measurements, beside one without the variables."
    return f"{about}\n\n{table(rows)}"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
