"""What proxies tell of handshakes and requests: on its way, kept, asked and explained."""
