"""Features that are read from tables, or computed from the question: declared once, for training and for serving."""

from __future__ import annotations

from datetime import timedelta

from tidewheel.pipeline import FeatureView, OnDemandView

weather = FeatureView(
    "weather",
    table="weather",
    keys=["origin"],
    event_time="time_hour",
    ttl=timedelta(hours=3),
    features=["temp", "wind_speed", "precip", "pressure", "visib"],
    owner="operations",
    description="The air at the origin as last observed: degrees Fahrenheit, mph, inches, millibars, miles.",
)

planes = FeatureView(
    "planes",
    table="planes",
    keys=["tailnum"],
    event_time="timestamptz '1903-12-17 00:00:00+00'",
    ttl=None,
    features={"plane_built": "year", "plane_seats": "cast(seats as double)"},
    owner="fleet",
    description="What the register says of a plane. It names no dates, so it counts for all of history.",
)

schedule = OnDemandView(
    "schedule",
    inputs={"scheduled_at": "timestamptz"},
    features={
        "month": "month('America/New_York', scheduled_at)",
        "weekday": "isodow('America/New_York', scheduled_at) - 1",
        "hour": "hour('America/New_York', scheduled_at)",
        "plane_age": "cast(year('America/New_York', scheduled_at) - plane_built as double)",
    },
    owner="operations",
    description="The scheduled departure on New York's clocks (Monday is 0), and the plane's age in years by then.",
)

VIEWS = (weather, planes, schedule)
