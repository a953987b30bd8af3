"""How fast, how large, how soon: real figures of the whole product, as ratios within one run."""
