"""Disposable places to restore into; today a throw-away PostgreSQL."""
