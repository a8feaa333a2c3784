"""Evidence: facts, ledger, artifacts, packs and their verification."""
