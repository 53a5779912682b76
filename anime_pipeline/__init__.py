"""Two-stage anime face generation: a DCGAN draws 32x32 faces, an SRGAN upsamples them 4x."""

__version__ = "0.5.0"
