"""Join links get back to people: as a feed (`publish`), by mail where the vendor does not mail (`mailing`), and in the
source that the meetings came from (`write_back`), which is told of their artifacts, too (`tell`)."""
