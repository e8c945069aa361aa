"""Join links get back to people: as a feed (`publish`), and by mail where the vendor does not mail (`mailing`)."""
