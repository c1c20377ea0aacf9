"""Who trusts what, as participants themselves tell it, and changing a root with all of them watching."""
