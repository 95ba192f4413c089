"""The shapes of the ResNets, without torch: the encoder builds them and the plan counts them."""

BLOCKS = {  # depth: residual blocks of each layer
    8: (1, 1, 1),
    10: (1, 1, 1, 1),
    14: (2, 2, 2),
    18: (2, 2, 2, 2),
    20: (3, 3, 3),
    34: (3, 4, 6, 3),
    50: (3, 4, 6, 3),
    101: (3, 4, 23, 3),
    152: (3, 8, 36, 3),
}
# Strides of the layers. Depths of three layers are ours, for CPUs and small images: halving the
# side in the first layer rather than in the second makes a step about a quarter faster.
STRIDES = {3: (2, 1, 2), 4: (1, 2, 2, 2)}
