"""Stage `supervise`: the encoder trained with labels, for comparison (Table 1, Fig. 7).

The same encoder, data order and views as in pre-training, one view an image, with a linear
classifier and cross entropy. Writes encoder.safetensors, classifier.safetensors (fc.weight,
fc.bias), curves.csv (a line an epoch) and training.json (mean loss of the last epoch; top-1
accuracy on the test images, percent).
"""

from pathlib import Path

import torch.nn.functional as F
from torch import nn

from simclr import loop, weights

NAMES = ("loss", "train_top1")


def run(settings, inputs, out: Path, checkpoint: Path, report) -> None:
    """Train on the images of inputs["data"]; settings: settings.Supervise. Raises ConfigError."""
    data, device, initial, encoder = loop.begin(settings, inputs["data"])
    classifier = nn.Linear(encoder.feature_dim, len(data.classes))
    nn.init.normal_(classifier.weight, 0, 0.01, generator=initial)
    nn.init.zeros_(classifier.bias)
    classifier.to(device)
    labels = loop.to_device(data.train_labels, device)

    def objective(scores, index):
        """Cross entropy of scores [B, classes] of one view of B images, and their accuracy.

        Both are this rank's part of the batch's mean.
        """
        wanted = labels[index]
        hits = (scores.detach().argmax(1) == wanted).sum()
        loss = F.cross_entropy(scores, wanted, reduction="sum")
        return loss / settings.batch_size, 100 * hits / settings.batch_size

    images = loop.to_device(data.train_images, device)
    modules = {"encoder": encoder, "classifier": classifier}
    curves = loop.train(settings, images, modules, objective, NAMES, 1, checkpoint, report)

    encoder.eval()  # running statistics
    test_images, test_labels = (
        loop.to_device(array, device) for array in (data.test_images, data.test_labels)
    )
    made = loop.predict(lambda x: {"scores": classifier(encoder(x))}, test_images)
    top1 = loop.accuracy(made["scores"], test_labels)
    weights.save_network(out / "encoder.safetensors", encoder, settings.encoder, inputs["data"])
    fc = {f"fc.{name}": value for name, value in classifier.state_dict().items()}
    weights.write(out / "classifier.safetensors", fc, {"classes": data.classes})
    loop.write_curves(out / "curves.csv", curves)
    loop.write_json(out / "training.json", {"loss": curves[-1]["loss"], "supervised_top1": top1})
