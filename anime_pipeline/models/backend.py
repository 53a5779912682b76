"""The few functions that differ between TensorFlow and JAX; everything else is `keras.ops`."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import numpy as np

from anime_pipeline.core.machine import import_keras_quietly

import_keras_quietly()
import keras  # noqa: E402

Tree = Any  # nested dicts, lists and tuples of arrays


def name() -> str:
    """Return the active backend: ``"tensorflow"`` or ``"jax"``."""
    return keras.backend.backend()


def value_and_grad(function: Callable[..., tuple[Any, Any]]) -> Callable[..., tuple[Any, Tree]]:
    """Differentiate `function(tree, *args) -> (scalar, aux)` in its first argument.

    Returns:
        A function giving ``((scalar, aux), gradients)``, the gradients shaped like `tree`. Calls
        may be nested for second derivatives.
    """
    if name() == "jax":
        import jax

        return jax.value_and_grad(function, has_aux=True)
    import tensorflow as tf

    def wrapped(tree: Tree, *args: Any) -> tuple[Any, Tree]:
        tree = tf.nest.map_structure(tf.convert_to_tensor, tree)
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(tf.nest.flatten(tree))
            value, aux = function(tree, *args)
        gradients = tape.gradient(value, tree, unconnected_gradients=tf.UnconnectedGradients.ZERO)
        return (value, aux), gradients

    return wrapped


def jit(
    function: Callable[..., Any], donate_first: bool = False, placement: Any = None
) -> Callable[..., Any]:
    """Compile a pure function.

    TensorFlow runs it as a plain graph: XLA on a CPU is several times slower for these networks.

    Args:
        function: Pure function of trees of arrays.
        donate_first: Let JAX reuse the first argument's memory for the result.
        placement: Where JAX puts the results; None leaves it to the compiler.
    """
    if name() == "jax":
        import jax

        donated = (0,) if donate_first else ()
        return jax.jit(function, donate_argnums=donated, out_shardings=placement)
    import tensorflow as tf

    # Pictures of many sizes share one graph instead of tracing one each.
    return tf.function(function, autograph=False, reduce_retracing=True)


def to_device(tree: Tree) -> Tree:
    """Turn NumPy arrays into backend tensors, so that the first call traces like all others."""
    return keras.tree.map_structure(keras.ops.convert_to_tensor, tree)


def to_numpy(tree: Tree) -> Tree:
    """Turn backend tensors into NumPy arrays."""
    return keras.tree.map_structure(lambda leaf: np.asarray(leaf), tree)


def has_gpu() -> bool:
    """Tell whether the active backend sees a GPU."""
    if name() == "jax":
        import jax

        return jax.default_backend() == "gpu"
    import tensorflow as tf

    return bool(tf.config.list_physical_devices("GPU"))


def leave_graphs_unfused() -> None:
    """Keep TensorFlow's remapper from graphs it fails on, an error on the screen each time.

    Where one network is applied twice in a step it fails, so nothing is lost by leaving it out.
    """
    if name() == "tensorflow":
        import tensorflow as tf

        tf.config.optimizer.set_experimental_options({"remapping": False})


def make_deterministic() -> None:
    """Make every operation reproducible, so that a resumed run equals an uninterrupted one."""
    if name() == "tensorflow":
        import tensorflow as tf

        tf.config.experimental.enable_op_determinism()
    else:
        # Read when JAX first touches a device; it only concerns GPUs.
        flag = "--xla_gpu_deterministic_ops=true"
        if flag not in os.environ.get("XLA_FLAGS", ""):
            os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} {flag}".strip()
