"""One verb per file: run(request, deps) returns a frozen report."""
