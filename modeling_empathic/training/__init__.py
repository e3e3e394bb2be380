"""Training: stage 1 teaches an encoder by captions, stage 2 the heads (paper 3.4)."""
