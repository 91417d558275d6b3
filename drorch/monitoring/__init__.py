"""What machines are told: measures as Prometheus reads them, and pages by HTTP. ``interface`` is the contract."""
