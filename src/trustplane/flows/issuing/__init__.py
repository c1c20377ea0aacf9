"""What only a server does: sign, record, renew its authorities, revoke."""
