# The locked libraries and a clone, for the CPU and for NVIDIA GPUs: torch's wheels bring CUDA, the
# machine its driver. docs/running.md has the commands.
FROM python:3.11-slim-bookworm

RUN apt-get update \
    && apt-get install --yes --no-install-recommends git make \
    && rm -rf /var/lib/apt/lists/*
RUN useradd --create-home reader && install --directory --owner=reader --group=reader /simclr
USER reader
WORKDIR /simclr

# The libraries before the code: an edit of the code does not install them again.
COPY --chown=reader requirements.lock ./
RUN python -m venv .venv \
    && .venv/bin/python -m pip install --no-cache-dir --require-hashes --requirement requirements.lock

COPY --chown=reader . .
RUN .venv/bin/python -m pip install --no-cache-dir --no-deps --no-build-isolation --editable . \
    && touch .venv/installed
ENV PATH=/simclr/.venv/bin:$PATH
CMD ["snakemake", "--cores", "all"]
