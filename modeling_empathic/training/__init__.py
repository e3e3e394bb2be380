"""The paper's training, section 3.4 and A.2: captions and encoder, then the heads."""
