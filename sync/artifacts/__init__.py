"""Documents go to sessions (`hand_over`); what sessions leave comes into the archive (`harvest`, `pull`, `retain`)."""
