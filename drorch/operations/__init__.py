"""One verb per file: ``run(request, ...) -> report``. Operations combine seams and the repository; they never print."""
