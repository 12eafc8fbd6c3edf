"""Training: the loop, the optimiser, checkpoints and the record of what happened."""
