"""Five services of a small shop. They speak plain HTTP on loopback, know no key and import nothing but Python's own."""
