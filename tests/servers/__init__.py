"""Real servers for tests: each is found, else installed, else its tests are skipped and the summary says why."""
