"""Pure functions of evidence: formats, proofs, digests."""
