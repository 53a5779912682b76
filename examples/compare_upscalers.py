"""Measure the shipped upscalers on drawn faces, a domain that they were not trained on.

    python examples/compare_upscalers.py --count 40 --degradation bicubic

Prints PSNR and SSIM with 95% intervals beside OpenCV's interpolations, and writes the full report.
"""

import argparse
from pathlib import Path

import numpy as np

from anime_pipeline import Pipeline
from anime_pipeline.data.degrade import DEGRADATIONS
from anime_pipeline.models.zoo import shipped
from anime_pipeline.reports.benchmark import Benchmark, run_benchmark
from anime_pipeline.reports.benchmark_page import write_reports
from anime_pipeline.sample.drawing import draw_face

FIRST_SEED = 10_000


def measure(count: int, degradation: str, names: list[str]) -> Benchmark:
    """Draw faces, reduce them 4x and measure every method."""
    hr_images = np.stack([draw_face(FIRST_SEED + n, 128).image for n in range(count)])
    upscalers = {name: Pipeline.load(upscaler=name).upscaler for name in names}
    result = run_benchmark(
        hr_images,
        [f"drawn {FIRST_SEED + n}" for n in range(count)],
        [degradation],
        {name: upscaler.upscale_batch for name, upscaler in upscalers.items()},
    )
    result.facts.update(
        {
            "pictures": f"{count} drawn faces, 128x128 px",
            "degradation": f"{degradation} (4x)",
        }
    )
    return result


def show(result: Benchmark) -> None:
    """Print one line per method, the best last."""
    for _, row in result.summary.sort_values("psnr_rgb_db").iterrows():
        print(
            f"{row['method']:>12}  PSNR {row['psnr_rgb_db']:5.2f} ± {row['psnr_rgb_db_ci95']:.2f} "
            f"dB  SSIM {row['ssim']:.3f}"
        )


def main() -> None:
    """Run the example."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=40, help="how many faces to draw")
    parser.add_argument("--degradation", default="bicubic", choices=sorted(DEGRADATIONS))
    parser.add_argument("--weights", nargs="*", help="shipped names, files or run folders")
    parser.add_argument("--out", type=Path, default=Path("outputs/example-benchmark"))
    arguments = parser.parse_args()

    names = arguments.weights or sorted(shipped("srgan-generator"))
    result = measure(arguments.count, arguments.degradation, names)
    show(result)
    print(f"Report: {write_reports(result, arguments.out)['html']}")


if __name__ == "__main__":
    main()
