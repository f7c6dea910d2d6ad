"""The web bundle: a folder of static files whose page names flowers on the device that shows it."""
