"""``drorch status``: what is protected, what is late and what needs somebody, on one screen."""
