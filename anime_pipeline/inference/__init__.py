"""From weights and seeds or pictures to pictures; only `project` needs Keras, for gradients."""
