"""Public data sets by name: fetched at a pinned revision, checked, cleaned, and kept as manifests with their audio."""
