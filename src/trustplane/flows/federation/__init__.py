"""Other trust domains: their bundles, and whether their services trust ours."""
