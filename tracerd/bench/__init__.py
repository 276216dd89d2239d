"""Side-by-side measurements behind `tracerd bench`: ours and its peers, alternated in one run."""
