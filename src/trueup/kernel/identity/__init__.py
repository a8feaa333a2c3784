"""Tenants, users, memberships."""
