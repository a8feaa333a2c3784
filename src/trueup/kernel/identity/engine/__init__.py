"""What identity computes: roles that stand for others, lock-outs, the text of keys. Pure."""
