"""Stage `supervise`: the encoder trained with labels, for comparison (Table 1, Fig. 7).

The same encoder, data order and views as in pre-training, one view an image, with a linear
classifier and cross entropy. Writes encoder.safetensors, classifier.safetensors (fc.weight,
fc.bias), curves.csv (a line an epoch) and training.json (mean loss of the last epoch; top-1
accuracy on the test images, percent).
"""

from pathlib import Path

from simclr import devices, files
from simclr.data import image_store
from simclr.models import heads, weights
from simclr.training import setup, supervised


def run(settings, inputs, out: Path, checkpoint: Path, report) -> None:
    """Train on the images of inputs["data"]; settings: settings.Supervise. Raises ConfigError."""
    data, device, initial, encoder = setup.set_up_training(settings, inputs["data"])
    classifier = heads.build_classifier(encoder.feature_dim, data.classes, initial).to(device)
    labels = devices.to_device(data.train_labels, device)
    images = image_store.open_split(data, "train", device)
    curves = supervised.train_classifier(
        settings, images, labels, encoder, classifier, checkpoint=checkpoint, report=report
    )
    top1 = supervised.test_classifier(encoder, classifier, data, device)["top1"]
    weights.save_network(out / "encoder.safetensors", encoder, settings.encoder, inputs["data"])
    fc = {f"fc.{name}": value for name, value in classifier.state_dict().items()}
    weights.write(out / "classifier.safetensors", fc, {"classes": data.classes})
    files.write_curves(out / "curves.csv", curves)
    files.write_metrics(
        out / "training.json", {"loss": curves[-1]["loss"], "supervised_top1": top1}
    )
