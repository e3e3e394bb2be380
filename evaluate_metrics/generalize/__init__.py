"""From synthetic to acted speech: the paper's section 4.2 and Table 7."""
