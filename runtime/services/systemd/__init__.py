"""systemd: the units of the services, and messages to systemd while a service runs."""
