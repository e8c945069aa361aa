"""Meetings from a CRM: what all CRMs have in common (`poller`), and what one has to answer (`api`)."""
