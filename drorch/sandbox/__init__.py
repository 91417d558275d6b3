"""Disposable places to fill and to restore into: throw-away servers, files and trees of files."""
