"""Onstream's time-zone codes: fixed offsets from UTC (Onstream API v2 document, section "Timezones").

The cities and countries that the document names beside them are out of date; only the number counts. Daylight
saving is a switch of the account, which adds an hour whatever the date: it has to be off.
"""

from datetime import timedelta

ZONES = {
    code: timedelta(hours=hours)
    for code, hours in {
        "UM12": -12,
        "UM11": -11,
        "UM10": -10,
        "UM95": -9.5,
        "UM9": -9,
        "UM8": -8,
        "UM7": -7,
        "UM6": -6,
        "UM5": -5,
        "UM45": -4.5,
        "UM4": -4,
        "UM35": -3.5,
        "UM3": -3,
        "UM2": -2,
        "UM1": -1,
        "UTC": 0,
        "UP1": 1,
        "UP2": 2,
        "UP3": 3,
        "UP35": 3.5,
        "UP4": 4,
        "UP45": 4.5,
        "UP5": 5,
        "UP55": 5.5,
        "UP575": 5.75,
        "UP6": 6,
        "UP65": 6.5,
        "UP7": 7,
        "UP8": 8,
        "UP875": 8.75,
        "UP9": 9,
        "UP95": 9.5,
        "UP10": 10,
        "UP105": 10.5,
        "UP11": 11,
        "UP115": 11.5,
        "UP12": 12,
        "UP1275": 12.75,
        "UP13": 13,
        "UP14": 14,
    }.items()
}
