"""What the screens show, worked out: pure, from snapshots to rows, rates, alerts and advice."""
