"""Decode many images in threads into arrays on disk, so that an interruption loses only seconds."""

import hashlib
import itertools
import time
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np

from simclr.config import DataError, one_line
from simclr.data import images
from simclr.data.sources.imagenet_files import Piece

CHUNK = 32  # images that a thread decodes before it reports
SAVE_SECONDS = 20  # between marks of what is packed; a crash repeats no more than this


class Job(NamedTuple):
    """One image to decode, and where it goes: row `row` of the arrays of `split`."""

    piece: Piece
    split: str
    row: int


class Outcome(NamedTuple):
    """Of one job: the SHA-256 of the image file, or the problem with it."""

    job: Job
    digest: bytes = b""
    problem: str = ""


def pack(arrays: dict, pieces: dict[str, list[Piece]], settings, report) -> None:
    """Decode the pieces of each split into arrays[SPLIT_images], in threads.

    arrays[SPLIT_digests], uint8 [N, 32], holds the SHA-256 of each image file that is packed, and
    zeros for the others: these are left to do. arrays[SPLIT_aspects], float32 [N], is filled with
    `fit: stretch`. Pillow holds no lock while it decodes. After all other images are packed, raises
    DataError that names those which cannot be decoded.
    """
    todo = [
        Job(split_pieces[row], split, row)
        for split, split_pieces in pieces.items()
        for row in np.flatnonzero(~arrays[f"{split}_digests"].any(1)).tolist()
    ]
    todo.sort(key=lambda job: (job.piece.file, job.piece.offset))  # as they lie on the disk
    total = sum(map(len, pieces.values()))
    done, problems, unsaved, saved_at = total - len(todo), [], [], time.monotonic()

    def decode_chunk(jobs: list[Job]) -> list[Outcome]:
        return [_decode(arrays, job, settings) for job in jobs]

    workers = images.cores()
    chunks = iter(todo[k : k + CHUNK] for k in range(0, len(todo), CHUNK))
    with ThreadPoolExecutor(workers) as pool:
        first = itertools.islice(chunks, 2 * workers)
        running = [pool.submit(decode_chunk, jobs) for jobs in first]
        while running:
            for outcome in running.pop(0).result():
                if outcome.problem:
                    problems.append(outcome.problem)
                else:
                    unsaved.append(outcome)
                done += 1
            following = itertools.islice(chunks, 1)
            running += [pool.submit(decode_chunk, jobs) for jobs in following]
            if time.monotonic() - saved_at > SAVE_SECONDS:
                _save(arrays, unsaved)
                saved_at = time.monotonic()
            report(done / total, f"{done:,} of {total:,} images")
    _save(arrays, unsaved)
    if problems:
        raise DataError(
            f"{images.bad_images(problems, total)}; fix or remove them and run the same again: "
            "the others are packed."
        )


def _decode(arrays: dict, job: Job, settings) -> Outcome:
    """Decode one image into its row."""
    try:
        content = job.piece.read()
        reading = images.Reading(settings.white_level, settings.max_megapixels)
        if settings.fit == "stretch":
            image, aspect = images.decode_whole(
                content, settings.image_size, job.piece.name, reading
            )
            arrays[f"{job.split}_aspects"][job.row] = aspect
        else:
            image = images.decode(content, settings.image_size, job.piece.name, reading)
    except (DataError, OSError) as error:
        return Outcome(job, problem=one_line(error))
    arrays[f"{job.split}_images"][job.row] = image
    return Outcome(job, digest=hashlib.sha256(content).digest())


def _save(arrays: dict, unsaved: list[Outcome]) -> None:
    """Bring the images to the disk first, then the digests which say that they are there."""
    for name, array in arrays.items():
        if not name.endswith("_digests"):
            array.flush()
    for outcome in unsaved:
        digests = arrays[f"{outcome.job.split}_digests"]
        digests[outcome.job.row] = np.frombuffer(outcome.digest, np.uint8)
    unsaved.clear()
    for name, array in arrays.items():
        if name.endswith("_digests"):
            array.flush()
