"""Stage `supervise`: the encoder trained with labels, for comparison (Table 1, Fig. 7).

The same encoder, data order and views as in pre-training, one view an image, with a linear
classifier and cross entropy. Writes encoder.safetensors, classifier.safetensors (fc.weight,
fc.bias), curves.csv (a line an epoch) and training.json (mean loss of the last epoch; top-1
accuracy on the test images, percent).
"""

from pathlib import Path

from simclr import classifier, loop, pixels, weights


def run(settings, inputs, out: Path, checkpoint: Path, report) -> None:
    """Train on the images of inputs["data"]; settings: settings.Supervise. Raises ConfigError."""
    data, device, initial, encoder = loop.begin(settings, inputs["data"])
    linear = classifier.build(encoder.feature_dim, data.classes, initial).to(device)
    labels = loop.to_device(data.train_labels, device)
    images = pixels.of(data, "train", device)
    curves = classifier.train(settings, images, labels, encoder, linear, checkpoint, report)
    top1 = classifier.test(encoder, linear, data, device)["top1"]
    weights.save_network(out / "encoder.safetensors", encoder, settings.encoder, inputs["data"])
    fc = {f"fc.{name}": value for name, value in linear.state_dict().items()}
    weights.write(out / "classifier.safetensors", fc, {"classes": data.classes})
    loop.write_curves(out / "curves.csv", curves)
    loop.write_json(out / "training.json", {"loss": curves[-1]["loss"], "supervised_top1": top1})
