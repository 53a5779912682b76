"""Put trained weights into the package: half precision, listed with their sha256.

    python tools/ship_weights.py dcgan checkpoints/dcgan/1-cpu/generator.npz
    python tools/ship_weights.py fidelity checkpoints/srgan/1-cpu/fidelity.npz

Half precision halves the files; the program computes in float32 from the rounded values.
"""

import argparse
import json
from pathlib import Path

from anime_pipeline.core.storage import atomic_write_json, sha256_of
from anime_pipeline.models.weights import DCGAN_KIND, SRGAN_KIND, load_weights, save_weights
from anime_pipeline.models.zoo import MANIFEST, pretrained_folder

KINDS = {
    "dcgan": DCGAN_KIND,
    "fidelity": SRGAN_KIND,
    "perceptual": SRGAN_KIND,
    "faces": SRGAN_KIND,
    "denoise": SRGAN_KIND,
}


def main() -> None:
    """Run the tool."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("name", choices=sorted(KINDS))
    parser.add_argument("weights", type=Path, help="a .npz exported by training")
    arguments = parser.parse_args()

    kind, name = KINDS[arguments.name], arguments.name
    weights = load_weights(arguments.weights, kind)
    folder = pretrained_folder()
    target = folder / f"{name}.npz"
    save_weights(target, weights.arrays, kind, weights.config, weights.training, dtype="float16")
    path = folder / MANIFEST
    manifest = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {"weights": {}}
    manifest["weights"][name] = {"file": target.name, "kind": kind, "sha256": sha256_of(target)}
    atomic_write_json(path, manifest)
    print(f"{target} ({target.stat().st_size / 1e6:.1f} MB)")


if __name__ == "__main__":
    main()
