"""trustplane: one control plane for mutual TLS between services."""
