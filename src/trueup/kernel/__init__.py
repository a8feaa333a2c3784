"""The kernel: actions, policy and evidence, and what every domain stands on."""
