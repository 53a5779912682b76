"""Side effects around the loop: logs, checkpoints, warnings, TensorBoard."""
