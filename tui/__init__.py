"""The dashboard, `tracerd top`: fed by frozen snapshots from a daemon or from a session of this process (DESIGN §2)."""
