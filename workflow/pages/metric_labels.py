"""The metrics in the pages' tables of numbers, in this order; the CSV files have all metrics."""

METRIC_LABELS = {
    "linear_h": "linear evaluation on h (%)",
    "linear_top5_h": "top-5 on h (%)",
    "linear_z": "on z (%)",
    "knn_h": "kNN on h (%)",
    "supervised_top1": "supervised (%)",
    "contrastive_accuracy": "contrastive accuracy (%)",
    "contrastive_entropy": "contrastive entropy (nats)",
    "online_h": "online classifier (%)",
    "finetune_top1": "fine-tuned (%)",
    "transfer_top1": "logistic regression (%)",
    "silhouette_h": "silhouette of h",
    "silhouette_z": "silhouette of z",
    "spectrum_rank": "effective rank of W (%)",
    "spectrum_rank_random": "of a random matrix (%)",
    "neighbours_h": "neighbours of the class by h (%)",
    "neighbours_z": "by z (%)",
    **{
        f"probe_{task}_{kind}": f"{task} from {kind} (%)"
        for task in ("gray", "rotation", "noise", "sobel")
        for kind in ("h", "z")
    },
    "retrieval_plain_chi2": "same image, without distortion (%)",
    "retrieval_distorted_chi2": "with distortion (%)",
    "retrieval_chance": "chance (%)",
}
