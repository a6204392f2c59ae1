//! Dates as people want them: the day, and how far away it is.

use time::OffsetDateTime;
use time::macros::format_description;

/// The day and its distance: `2026-12-04 (in 12 days)`, `2026-11-01 (21 days ago)`.
///
/// Under two days the distance is told in hours, under two hours in minutes. It is rounded towards
/// now, so that nobody believes to have a day that is not there; only the last minute is given, so
/// that a certificate just made for 90 days says 90.
#[must_use]
pub fn date(at: OffsetDateTime, now: OffsetDateTime) -> String {
    let day = at.to_offset(time::UtcOffset::UTC).format(format_description!("[year]-[month]-[day]"));
    let seconds = (at - now).whole_seconds();
    let given = if seconds > 0 { 59 } else { 0 };
    let (count, unit) = match seconds.unsigned_abs() + given {
        0..60 => return format!("{} (now)", day.unwrap_or_default()),
        distance @ 60..7_200 => (distance / 60, "minute"),
        distance @ 7_200..172_800 => (distance / 3_600, "hour"),
        distance => (distance / 86_400, "day"),
    };
    let plural = if count == 1 { "" } else { "s" };
    let distance =
        if seconds > 0 { format!("in {count} {unit}{plural}") } else { format!("{count} {unit}{plural} ago") };
    format!("{} ({distance})", day.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use time::Duration;
    use time::macros::datetime;

    use super::*;

    #[test]
    fn a_date_tells_how_far_away_it_is() {
        let now = datetime!(2026-11-22 12:00 UTC);
        let told = |distance: Duration| date(now + distance, now);
        assert_eq!(told(Duration::days(12)), "2026-12-04 (in 12 days)");
        assert_eq!(told(Duration::days(-21)), "2026-11-01 (21 days ago)");
        assert_eq!(told(Duration::hours(47)), "2026-11-24 (in 47 hours)");
        assert_eq!(told(Duration::hours(-2)), "2026-11-22 (2 hours ago)");
        assert_eq!(told(Duration::minutes(119)), "2026-11-22 (in 119 minutes)");
        assert_eq!(told(Duration::seconds(-61)), "2026-11-22 (1 minute ago)");
        assert_eq!(told(Duration::ZERO), "2026-11-22 (now)");
    }

    #[test]
    fn a_part_of_a_day_is_not_told_as_a_day() {
        let now = datetime!(2026-11-22 12:00 UTC);
        assert_eq!(date(now + Duration::hours(71), now), "2026-11-25 (in 2 days)");
        assert_eq!(date(now + Duration::days(90) - Duration::SECOND, now), "2027-02-20 (in 90 days)");
    }

    #[test]
    fn the_day_is_that_of_utc() {
        let at = datetime!(2026-12-04 23:30 -2);
        assert_eq!(date(at, datetime!(2026-11-22 12:00 UTC)), "2026-12-05 (in 12 days)");
    }
}
