"""What a built corpus says about itself: the paper's tables, and how emotions sound."""
