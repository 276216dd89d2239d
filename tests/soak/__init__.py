"""The soak: everything at once against a real daemon, for as long as is asked, with a report (`make soak`)."""
