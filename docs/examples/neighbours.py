"""What does an encoder that was trained here think is alike? Three nearest images of each.

python docs/examples/neighbours.py fig8.nonlinear-128.s0 PHOTOGRAPHS

Loads an encoder by its name, extracts features of a folder of images, and prints for each image
the three that are nearest to it. `simclr plan --list` prints names of encoders.
"""

import sys
from pathlib import Path

import numpy as np

from workflow.pretrained import features, find_training, image_files, load_encoder


def main(name: str, folder: str, scale: str = "tiny", side: str = "16") -> None:
    encoder = load_encoder(find_training(name, scale))
    files = image_files(Path(folder))
    h = features(encoder, files, int(side))  # [N, d]
    h /= np.linalg.norm(h, axis=1, keepdims=True)
    likeness = h @ h.T
    np.fill_diagonal(likeness, -1)
    for file, row in zip(files, likeness, strict=True):
        nearest = ", ".join(f"{files[i].name} {row[i]:.2f}" for i in row.argsort()[::-1][:3])
        print(f"{file.name}: {nearest}")


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
