"""What is known to be at odds in the paper, by its own figures."""

import math

from markup import number

from evaluate_metrics.published import (
    LARGE,
    SMALL,
    macro_fits,
    published_macro,
    published_table5,
    published_table6,
)


def contradictions() -> str:
    """A list in Markdown."""
    macro, table6 = published_macro(), published_table6()
    fit, excluded = macro_fits()
    pooled = {row["model"]: row["spearman"] for row in published_table5()}
    missing = {name: sum(map(math.isnan, of.values())) for name, of in table6.items()}
    slashed = [name for name, value in table6["GPT-4o Audio"].items() if math.isnan(value)]
    lacking = ", ".join(f"{name} lacks {n}" for name, n in missing.items() if n)
    return (
        f"- **Tables 5 and 6 rank Small and Large the other way round.** Table 5: Small "
        f"{number(pooled[SMALL])}, Large {number(pooled[LARGE])}. Means of Table 6: Small "
        f"{number(macro[SMALL][0])}, Large {number(macro[LARGE][0])}. The paper does not say what "
        f"Table 5 averages over: means of Table 6 fit {len(fit)} systems and are excluded for "
        f"{len(excluded)}, so it is shown as pooled, which is our reading.\n"
        f"- **GPT-4o Audio's {len(slashed)} missing emotions are the names with a slash:** "
        f"{', '.join(slashed)}. That looks like labels that did not join, not like refusals. The "
        "paper has one column of refusals for both; here they are two outcomes.\n"
        f"- **Means of Table 6 are over different emotions:** {lacking}. A mean over easier "
        "ones is higher.\n"
        "- **The paper has no intervals**, and its revision of Bench is not known. Its figures are "
        "never ranked with new ones.\n"
        "- A constant has an error too: compare MAE and RMSE with the floors, not with 0."
    )
