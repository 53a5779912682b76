"""Ready-made configurations: ours for a CPU and for a GPU, and the original project's."""

from __future__ import annotations

from anime_pipeline.core.config import DcganConfig, SrganConfig

AUTO = "auto"  # a condition on whatever the data knows, decided when a run begins

DCGAN_PRESETS: dict[str, DcganConfig] = {
    "cpu": DcganConfig(condition=AUTO, feature_critic=True),
    "gpu": DcganConfig(
        architecture="residual",
        condition=AUTO,
        feature_critic=True,
        feature_px=64,
        width=80,
        blocks=2,
        width_d=64,
        batch_size=256,
        # At half of this rate KID was four times as large after the same 486,000 images.
        learning_rate_g=4e-4,
        learning_rate_d=4e-4,
        beta_1=0.0,
        beta_2_start=0.9,
        lr_schedule="constant",
        learning_rate_fall=4.0,
        gamma_fall=10.0,
        r1_interval=4,
        ema_half_life_images=500_000.0,
        steps=50_000,
        precision="bfloat16",
        save_every=5000,  # where a step takes hundredths of a second
        evaluate_every=1000,
    ),
    "reference": DcganConfig(
        architecture="reference",
        fit="stretch",
        flip=False,
        latent_dim=100,
        latent_distribution="uniform",
        loss="bce",
        real_label=0.9,
        d_steps=10,
        batch_size=16,
        learning_rate_g=1e-5,
        learning_rate_d=2e-5,
        beta_2=0.999,
        lr_schedule="constant",
        r1_gamma=0.0,
        r2_gamma=0.0,
        diff_augment=False,
        ema_half_life_images=0.0,
        steps=75_000,
    ),
}

SRGAN_PRESETS: dict[str, SrganConfig] = {
    "cpu": SrganConfig(),
    "gpu": SrganConfig(
        batch_size=32,
        fidelity_steps=60_000,
        adversarial_steps=20_000,
        width_d=64,
        precision="bfloat16",
        save_every=1000,
        evaluate_every=500,
    ),
    "reference": SrganConfig(
        architecture="reference",
        fit="stretch",
        crop_size=0,
        flip=False,
        degradations="area:1",
        width_d=64,
        batch_size=8,
        fidelity_steps=0,
        adversarial_steps=117_000,
        learning_rate=9e-5,
        learning_rate_adversarial=9e-5,
        beta_1=0.5,
        beta_2=0.999,
        lr_schedule="constant",
        pixel_loss="mse",
        perceptual_weight=0.0,
        pixel_weight=1.0,
        adversarial_weight=1.0,
        label_noise=0.2,
        ema_half_life_images=0.0,
    ),
}
