"""What an alert is, and how its states follow each other. Pure."""
