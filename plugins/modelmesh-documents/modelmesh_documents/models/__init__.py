"""What each vendor's models are."""
