"""Which splits a setting names, without torch: training opens them and the plan counts them."""


def splits_of(images: str) -> tuple[str, ...]:
    """Return the splits that `images` names: one, or both that can be trained on."""
    return ("train", "unlabelled") if images == "both" else (images,)
